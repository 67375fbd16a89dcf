"""An app whose planner is looked at: its people are generated, and each of its steps is told."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from shared.composition import Account, App, assemble
from shared.domain.audience import Audience
from shared.domain.cursors import Cursor
from shared.domain.plans import NewBatches
from shared.domain.requests import BroadcastRequest, Content
from shared.nudging import Nudging
from shared.ports import Clock, Queue, Table
from shared.settings import read_settings
from shared.storage import names
from shared.storage.broadcasts import Broadcasts
from shared.storage.rows import Operation
from tests.size.people import GeneratedPeople, key_of
from tests.twins.teams import MemoryConnector
from tests.twins.world import TENANT

NAMED = 1_000
"""So many people are named one by one in the request. The first half of them has the app as well."""

Tell = Callable[[str, int], None]
"""Told `step` or `nudge`, and how many recipients have a row by then."""


def app_of(account: Account, *, people: int, tell: Tell | None = None) -> App:
    """An app over an account, in whose tenant so many people have it; `tell` hears of the plan's steps."""
    settings = read_settings(
        MicrosoftAppId="app", MicrosoftAppPassword="secret", MicrosoftAppTenantId=TENANT, AzureWebJobsStorage="x"
    )
    connector: Any = MemoryConnector()
    app = assemble(settings, _WithPeople(account, GeneratedPeople(people)), connector=connector, randomness=os.urandom)
    if tell is None:
        return app
    told = _Told(account.table(names.BROADCASTS), tell)
    nudging = Nudging(told, sends=_ToldQueue(app.sends, told), plans=app.plans, installs=app.installs)
    return replace(app, broadcasts=told, nudging=nudging)


async def ask(app: App, *, people: int) -> str:
    """Accept a broadcast to everyone of the `people` who has the app, and to NAMED; its id."""
    first = people - NAMED // 2
    request = BroadcastRequest(
        tenant=TENANT,
        key=str(uuid4()),
        audience=Audience(users=tuple(key_of(first + each) for each in range(NAMED)), everyone_installed=True),
        content=Content(text="Hello"),
    )
    return (await app.acceptance.accept(request)).broadcast_id


def recipients_of(people: int) -> int:
    """How many recipients that broadcast has: those who were named have the numbers behind the others'."""
    return people + NAMED // 2


@dataclass(frozen=True, slots=True)
class _WithPeople:
    """An account with generated people in place of its own Conversations."""

    account: Account
    people: GeneratedPeople

    @property
    def clock(self) -> Clock:
        return self.account.clock

    def table(self, name: str) -> Table:
        return self.people if name == names.CONVERSATIONS else self.account.table(name)

    def queue(self, name: str) -> Queue:
        return self.account.queue(name)


class _Told(Broadcasts):
    def __init__(self, table: Table, tell: Tell) -> None:
        super().__init__(table)
        self.tell = tell
        self.planned = 0

    async def step(
        self,
        broadcast_id: str,
        cursor: Cursor,
        *,
        etag: str,
        rows: Sequence[NewBatches] = (),
        also: Sequence[Operation] = (),
    ) -> str:
        written = await super().step(broadcast_id, cursor, etag=etag, rows=rows, also=also)
        self.planned = cursor.recipients
        self.tell("step", self.planned)
        return written


@dataclass(frozen=True, slots=True)
class _ToldQueue:
    queue: Queue
    told: _Told

    async def put(self, body: bytes, *, delay: float = 0) -> None:
        await self.queue.put(body, delay=delay)
        self.told.tell("nudge", self.told.planned)
