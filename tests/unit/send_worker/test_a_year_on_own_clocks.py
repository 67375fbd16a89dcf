"""A year of a weekly schedule on everybody's own clock, in virtual time: the tick, splits, children and their plans."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from send_worker.pipeline import build_pipeline
from shared.domain.ids import occurrence_id
from shared.domain.local_time import NOT_ZONES
from shared.domain.own_clocks import SPLIT_CLOCK
from shared.domain.recipients import RecipientKind, recipient_key
from shared.domain.references import Reference, values_of
from shared.storage import names
from shared.storage.rows import upsert
from tests.twins.scheduling import a_schedule
from tests.twins.world import EPOCH, SERVICE_URL, TENANT, World, in_a_world, object_id

DAY = timedelta(days=1)
BEGIN = datetime.fromtimestamp(EPOCH, UTC)
WEEKS = 52
TIMETABLE = {"cron": "30 2 * * SUN", "zone": "recipient", "default_zone": "Europe/Berlin"}
"""Most zones turn their clocks on a Sunday between two and three o'clock."""


def kinds_of_zones() -> list[str]:
    """One zone for each way in which clocks go through the year, by their offset each half hour of the Sundays."""
    kinds = dict[tuple[object, ...], str]()
    instants = [BEGIN + number * DAY for number in range(370)]
    for name in sorted(available_timezones() - NOT_ZONES):
        zone = ZoneInfo(name)
        kinds.setdefault(tuple(at.astimezone(zone).utcoffset() for at in instants), name)
    return list(kinds.values())


def sundays() -> Iterator[datetime]:
    """Half past two, without a zone, on each Sunday of the year from the second one on."""
    first = datetime.combine(BEGIN + DAY * (6 - BEGIN.weekday()), datetime.min.time()) + timedelta(hours=2, minutes=30)
    return (first + (week + 1) * 7 * DAY for week in range(WEEKS))


def when(zone: ZoneInfo, local: datetime) -> datetime:
    """The first instant at which a clock shows a local time, or as many minutes after the gap that swallows it began.

    Reckoned by trying the offsets of the days around: a larger one is an earlier instant.
    """
    around = local.replace(tzinfo=UTC)
    offsets = {one for days in (-1, 0, 1) if (one := (around + days * DAY).astimezone(zone).utcoffset()) is not None}
    tried = sorted(around - offset for offset in offsets)
    return next((at for at in tried if at.astimezone(zone).replace(tzinfo=None, fold=0) == local), tried[-1])


async def until(world: World, instant: float) -> None:
    await asyncio.sleep(max(0.0, instant - world.app().clock.now()))


def test_everybody_of_every_zone_has_each_occurrence_of_a_year_once_at_the_local_time() -> None:
    zones = kinds_of_zones()

    async def scenario(world: World) -> None:
        app = world.app()
        pipeline = build_pipeline(app)
        for number, zone in enumerate(zones):
            reference = Reference(
                conversation=f"a:{number}", service_url=SERVICE_URL, member=f"29:{number}", time_zone=zone
            )
            key = recipient_key(RecipientKind.USER, object_id(number))
            await world.account.table(names.CONVERSATIONS).write(TENANT, [upsert(key, values_of(reference))])
        weeks = list(sundays())
        due = [one.replace(tzinfo=SPLIT_CLOCK).timestamp() for one in weeks]
        request = {"audience": {"everyone": "installed"}, "content": {"text": "Good night"}}
        schedule = await app.schedules.create(
            a_schedule(tenant=TENANT, timetable=TIMETABLE, request=request, next=due[0])
        )
        sent = defaultdict[str, list[datetime]](list)

        for at in due:
            await until(world, at + 1)
            await pipeline.due_schedules.run()
            await pipeline.due_schedules.run()
            parent = occurrence_id(schedule=schedule.id, at=at)
            await pipeline.planner.handle(parent)
            # Behind the last clock's moment all children are due, whenever they were to be made.
            await until(world, at + timedelta(hours=30).total_seconds())
            await pipeline.planner.handle(parent)
            for moment in (await world.report(parent))["clock"]["moments"]:
                await pipeline.planner.handle(moment["broadcast"])
                child = await app.broadcasts.head(moment["broadcast"])
                for batch in await app.broadcasts.batches(child.id, first=0, limit=100):
                    for one in batch.recipients:
                        sent[one.key].append(datetime.fromtimestamp(child.starts_at, UTC))

        assert len(sent) == len(zones)
        for number, zone in enumerate(zones):
            expected = [when(ZoneInfo(zone), local) for local in weeks]
            assert sent[recipient_key(RecipientKind.USER, object_id(number))] == expected, zone
        assert len(zones) > 50

    in_a_world(scenario)
