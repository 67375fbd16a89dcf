"""Everything that accepts and reports broadcasts, over storage in memory and a clock that a test sets."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any

import orjson

from messages.broadcast_api import BroadcastApi
from messages.broadcast_requests import BroadcastRequests
from messages.digest_requests import DigestRequests
from messages.item_intake import ItemIntake
from messages.rejecting import Rejecting
from messages.reports import Reports
from shared.acceptance import Acceptance
from shared.domain.batches import Recipient
from shared.domain.plans import NewBatches
from shared.domain.requests import BroadcastRequest
from shared.families import Families
from shared.nudging import Nudging
from shared.pacer import Pacers
from shared.passing_on import PassingOn
from shared.requests import read_request
from shared.snapshots import Snapshots
from shared.storage import names
from shared.storage.audiences import Audiences
from shared.storage.broadcasts import Broadcasts
from shared.storage.calendars import Calendars
from shared.storage.conversations import Conversations
from shared.storage.digest_items import DigestItems
from shared.storage.directory import Directory
from shared.storage.installations import Installations
from shared.storage.pace import PaceRows
from shared.storage.poison import PoisonMessages
from shared.storage.recipient_search import RecipientSearch
from shared.storage.rejections import Rejections
from shared.storage.schedules import Schedules
from tests.twins.storage import MemoryAccount

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
ALICE = "5f0c9d1e-7a52-4c3b-9a51-0d6a4f6b8e21"
CHANNEL = "19:b3f1f1c0d2e44f6c8a0d9a7f5e6c1b2a@thread.tacv2"
CHAT = "19:8d1f0e6c2b7a4f39a1c5d3e9b8f70462@thread.v2"
NOON = 1_780_000_000.0


def user(number: int) -> str:
    """The object id of one of many people."""
    return f"00000000-0000-4000-8000-{number:012d}"


def a_document(**changes: Any) -> dict[str, Any]:
    """A right request, with members replaced; None leaves one out."""
    document = {
        "version": 1,
        "key": "news-2026-05",
        "tenant": TENANT,
        "audience": {"users": [ALICE]},
        "content": {"text": "Hello"},
    }
    return {name: value for name, value in {**document, **changes}.items() if value is not None}


def a_request(**changes: Any) -> BroadcastRequest:
    """The same as the value that is accepted."""
    return read_request(a_document(**changes), tenants=[TENANT], key="unused")


class KnownEverybody:
    """A lookup that knows a conversation of everybody; `padding` makes each of them longer."""

    def __init__(self) -> None:
        self.padding = 0

    async def recipients(self, tenant: str, keys: Sequence[str]) -> list[Recipient]:  # noqa: ARG002
        """Recipients in the order of the keys."""
        conversation = "a:" + "x" * self.padding
        return [Recipient(key=key, conversation=conversation, service_url="https://smba.test/") for key in keys]


def rows_of(batches: Iterable[Iterable[Recipient]], *, first: int = 0) -> list[NewBatches]:
    """Batches as a step of the planner writes them, from number `first` on."""
    return [NewBatches(first=first, batches=tuple(map(tuple, batches)))]


class House:
    """The collaborators of a test. `now` is the clock, in seconds since the epoch."""

    def __init__(
        self,
        *,
        tenants: Sequence[str] = (TENANT,),
        pace: float | None = 50.0,
        default_zone: str = "",
        account: MemoryAccount | None = None,
    ) -> None:
        self.now = NOON
        self.account = account or MemoryAccount(lambda: self.now)
        self.broadcasts = Broadcasts(self.account.table(names.BROADCASTS))
        self.directory = Directory(self.account.table(names.DIRECTORY))
        self.rejections = Rejections(self.account.table(names.REJECTIONS))
        self.poison = PoisonMessages(self.account.table(names.POISON))
        self.conversations = Conversations(self.account.table(names.CONVERSATIONS))
        self.audiences = Audiences(self.account.table(names.AUDIENCES))
        self.schedules = Schedules(self.account.table(names.SCHEDULES))
        self.calendars = Calendars(self.account.table(names.SCHEDULES))
        self.digest_items = DigestItems(self.account.table(names.DIGESTS))
        self.snapshots = Snapshots(self.audiences, self.broadcasts)
        self.search = RecipientSearch(self.account.table(names.BROADCASTS))
        self.sends, self.plans = self.account.queue(names.SEND_QUEUE), self.account.queue(names.PLAN_QUEUE)
        self.pacers = Pacers(PaceRows(self.account.table(names.PACE)), ceiling=pace, clock=self.account.clock)
        self.installs = self.account.queue(names.INSTALL_QUEUE)
        self.lookup = KnownEverybody()
        chance, keys = count(1), count(1)
        self.acceptance = Acceptance(
            broadcasts=self.broadcasts,
            directory=self.directory,
            snapshots=self.snapshots,
            lookup=self.lookup,
            sends=self.sends,
            plans=self.plans,
            clock=self.account.clock,
            randomness=lambda number: next(chance).to_bytes(number, "big"),
            pace=pace,
            default_zone=default_zone,
        )
        self.requests = BroadcastRequests(
            acceptance=self.acceptance, rejections=self.rejections, clock=self.account.clock, tenants=tenants
        )
        self.families = Families(self.broadcasts)
        self.nudging = Nudging(self.broadcasts, sends=self.sends, plans=self.plans, installs=self.installs)
        self.passing_on = PassingOn(
            self.broadcasts, self.families, self.directory, nudging=self.nudging, clock=self.account.clock
        )
        self.intake = ItemIntake(self.digest_items, snapshots=self.snapshots, clock=self.account.clock, tenants=tenants)
        self.item_requests = DigestRequests(
            self.intake, Rejecting(self.rejections, clock=self.account.clock, tenants=tenants)
        )
        self.reports = Reports(
            self.broadcasts,
            self.families,
            installations=Installations(self.account.table(names.INSTALLATIONS)),
            pacers=self.pacers,
            clock=self.account.clock,
        )
        self.api = BroadcastApi(
            acceptance=self.acceptance,
            broadcasts=self.broadcasts,
            directory=self.directory,
            rejections=self.rejections,
            search=self.search,
            reports=self.reports,
            families=self.families,
            passing_on=self.passing_on,
            clock=self.account.clock,
            tenants=tenants,
            new_key=lambda: f"made-{next(keys)}",
        )

    @property
    def heads(self) -> list[str]:
        """The ids of the broadcasts that stand."""
        table = self.account.table(names.BROADCASTS)
        return [partition for partition in table.partitions() if "head" in table.rows(partition)]

    def rows(self, broadcast_id: str) -> dict[str, Mapping[str, Any]]:
        """The rows of a broadcast."""
        return dict(self.account.table(names.BROADCASTS).rows(broadcast_id))

    async def listed(self) -> list[str]:
        """The ids in the tenant's list."""
        return [entry.broadcast_id for entry in (await self.directory.page(TENANT, limit=100)).entries]

    async def open(self) -> list[str]:
        """The ids before the sweep's eyes."""
        return [one.broadcast_id for one in await self.directory.open_broadcasts()]


def as_json(document: object) -> bytes:
    """A request's body."""
    return orjson.dumps(document)
