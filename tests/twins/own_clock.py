"""For a moment on each recipient's own clock: people in several zones, an author's wishes, and who got what when."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import orjson

from messages import parts
from messages.answers import Answer as Told
from shared.domain.ids import child_id
from shared.domain.own_clocks import OwnClock, unpack_moments
from shared.domain.recipients import RecipientKind, recipient_key
from shared.domain.references import Reference, values_of
from shared.storage import names
from shared.storage.rows import upsert
from tests.twins.world import EPOCH, SERVICE_URL, TENANT, World, object_id

HOUR = 3600.0
URL = "https://herald.test/api/broadcasts"
NINE = datetime.fromisoformat("2027-01-16T09:00")
"""The world begins on 2027-01-15 at 08:00 UTC."""
ZONES = (
    *("Pacific/Kiritimati", "Pacific/Chatham", "Australia/Adelaide", "Asia/Tokyo", "Asia/Kathmandu", "Asia/Kolkata"),
    *("Europe/Berlin", "Europe/London", "America/St_Johns", "America/Los_Angeles"),
)


def instant(zone: str, at: datetime = NINE) -> float:
    """When the clocks of a zone show nine, by zoneinfo alone."""
    return at.replace(tzinfo=ZoneInfo(zone)).timestamp()


def now() -> float:
    return EPOCH + asyncio.get_running_loop().time()


async def until(moment: float) -> None:
    await asyncio.sleep(moment - now())


async def settle_in(world: World, zone_of: Mapping[int, str]) -> None:
    """People with the app, of whom Teams told the zone, or none where it is empty."""
    table = world.account.table(names.CONVERSATIONS)
    for number, zone in zone_of.items():
        reference = Reference(
            conversation=f"a:{number}", service_url=SERVICE_URL, member=f"29:{number}", time_zone=zone
        )
        await table.write(TENANT, [upsert(recipient_key(RecipientKind.USER, object_id(number)), values_of(reference))])


def spread(people: int, zones: tuple[str, ...] = ZONES) -> dict[int, str]:
    return {number: zones[number % len(zones)] for number in range(people)}


async def accept(world: World, at: datetime = NINE, default: str = "Europe/Paris", **options: Any) -> str:
    return await world.accept(own_clock=OwnClock(at=at, default_zone=default), **{"everyone": True, **options})


async def children(world: World, parent: str) -> list[str]:
    """The ids of the children that stand, the earliest first."""
    cursor = (await world.app().broadcasts.cursor(parent)).cursor
    ids = [child_id(parent=parent, at=one.at) for one in unpack_moments(cursor.moments)]
    table = world.account.table(names.BROADCASTS)
    return [one for one in ids if "head" in table.rows(one)]


class Ledger:
    """When each chat got its messages, as instants."""

    def __init__(self, world: World) -> None:
        self.instants: dict[str, list[float]] = {}
        world.connector.rule = self._note

    def _note(self, chat: str) -> None:
        self.instants.setdefault(chat, []).append(now())

    def assert_each_once(self, zone_of: Mapping[int, str], *, late: float = 30.0, at: datetime = NINE) -> None:
        """Everybody got one message, in the first seconds in which their own clock showed the time."""
        assert self.instants.keys() == {f"a:{number}" for number in zone_of}
        for number, zone in zone_of.items():
            [got] = self.instants[f"a:{number}"]
            assert 0 <= got - instant(zone, at) <= late, zone


async def deliveries_of(world: World, broadcast: str, *, limit: int = 1_000) -> set[str]:
    """The recipients of a broadcast's deliveries, each told once, over all pages."""
    found: list[str] = []
    query = {"limit": str(limit)}
    while query:
        page = read(await parts.broadcast_api(world.app()).deliveries(broadcast, query, accept="", url=URL))
        found += [delivery["recipient"]["id"] for delivery in page["deliveries"]]
        query = dict(parse_qsl(urlsplit(page["next"] or "").query))
    assert len(found) == len(set(found))
    return set(found)


def read(answer: Told) -> Any:
    return orjson.loads(answer.body)


async def wish(world: World, what: str, broadcast: str) -> Told:
    wishes = parts.wishes(world.app())
    if what == "edit":
        return await wishes.edit(broadcast, b'{"content": {"text": "New words"}}', url=URL)
    if what == "cancel":
        return await parts.broadcast_api(world.app()).cancel(broadcast, url=URL)
    return await {"pause": wishes.pause, "resume": wishes.resume, "recall": wishes.recall}[what](broadcast, url=URL)


NOON = datetime.fromisoformat("2027-01-15T12:00")
"""Four to eight hours after the world begins in the next three zones, and long gone in Kiritimati."""
NEAR = ("Europe/Berlin", "Europe/London", "America/St_Johns")
BERLIN, LONDON, ST_JOHNS = (instant(zone, NOON) for zone in NEAR)
