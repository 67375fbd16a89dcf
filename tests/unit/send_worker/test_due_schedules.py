"""Due schedules: each occurrence is one broadcast, whoever runs it, how often, and wherever that breaks off."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from random import Random
from typing import Any

import pytest

from send_worker.due_schedules import MOST_DUE, STRAY_SECONDS, DueSchedules
from send_worker.lost_due_rows import LostDueRows
from shared.domain.ids import occurrence_id, occurrence_key
from shared.errors import RowConflict, StorageUnavailable
from shared.storage import names
from shared.storage.calendars import Calendar
from shared.storage.schedules import Schedule
from tests.twins.accepting import TENANT, House
from tests.twins.scheduling import a_schedule
from tests.twins.storage import Call, Hook, Moment, yielding

HOUR, DAY = 3600.0, 24 * 3600.0
NINE = datetime(2026, 6, 1, 7, tzinfo=UTC).timestamp()
"""Monday, 1 June 2026, 09:00 in Berlin."""
DAILY = {"cron": "0 9 * * *", "zone": "Europe/Berlin"}
HOURLY = {"cron": "0 * * * *", "zone": "Europe/Berlin"}
ID = "0" * 20


class Desk:
    """A house with schedules in it, and as many ticks as a test wants."""

    def __init__(self) -> None:
        self.house = House()
        self.house.now = NINE

    def ticker(self) -> DueSchedules:
        """What the tick runs in one more process."""
        house = self.house
        return DueSchedules(
            house.schedules,
            house.calendars,
            acceptance=house.acceptance,
            rejections=house.rejections,
            clock=house.account.clock,
            tenants=[TENANT],
            takes_names=False,
        )

    async def tick(self, at: float | None = None) -> None:
        self.house.now = self.house.now if at is None else at
        await self.ticker().run()

    async def look_for_lost(self) -> None:
        await LostDueRows(self.house.schedules, clock=self.house.account.clock, tenants=[TENANT]).run()

    async def schedule(self, **changes: Any) -> Schedule:
        return await self.house.schedules.create(a_schedule(**{"timetable": DAILY, "next": NINE, **changes}))

    async def put_calendar(self, **document: Any) -> None:
        await self.house.calendars.put(TENANT, Calendar(document=document, changed_at=self.house.now))

    async def stands(self, schedule_id: str = ID) -> Schedule:
        return await self.house.schedules.get(TENANT, schedule_id)

    def ran(self, *instants: float, schedule: str = ID) -> bool:
        """Whether exactly these occurrences have a broadcast, and it is the only thing that has."""
        return sorted(self.house.heads) == [occurrence_id(schedule=schedule, at=at) for at in sorted(instants)]

    def due(self) -> list[float]:
        return [int(key.partition("!")[0]) / 1000 for key in self.house.account.table(names.SCHEDULES).rows("due")]


async def test_what_is_due_becomes_a_broadcast_and_the_next_is_due() -> None:
    desk = Desk()
    await desk.schedule()

    await desk.tick(NINE + 5)

    assert desk.ran(NINE)
    schedule = await desk.stands()
    assert (schedule.last, schedule.next, schedule.latest) == (NINE, NINE + DAY, (NINE,))
    assert desk.due() == [NINE + DAY]
    head = await desk.house.broadcasts.head(occurrence_id(schedule=ID, at=NINE))
    assert head.key == occurrence_key(schedule=ID, at=NINE) == f"schedule!{ID}!2026-06-01T07:00:00.000Z"
    assert b"Good morning" in await desk.house.broadcasts.content(head.id)
    assert len(desk.house.sends.take()) == 1
    assert await desk.house.listed() == [head.id]


async def test_what_is_not_due_waits() -> None:
    desk = Desk()
    await desk.schedule()

    await desk.tick(NINE - 0.001)

    assert desk.ran()
    assert desk.due() == [NINE]


async def test_each_day_comes_once() -> None:
    desk = Desk()
    await desk.schedule()

    for minute in range(3 * 24 * 60):
        await desk.tick(NINE + minute * 60.0)

    assert desk.ran(NINE, NINE + DAY, NINE + 2 * DAY)


@pytest.mark.parametrize(
    ("timetable", "at", "expected"),
    [
        (DAILY, NINE, [NINE]),  # On time.
        (HOURLY, NINE + 3.5 * HOUR, [NINE + 3 * HOUR]),  # Late: the latest is made up for.
        ({**HOURLY, "if_missed": "run_all"}, NINE + 2.5 * HOUR, [NINE, NINE + HOUR, NINE + 2 * HOUR]),  # Each is.
    ],
)
async def test_ticks_at_once_make_one_broadcast(timetable: dict[str, str], at: float, expected: list[float]) -> None:
    for seed in range(12):
        desk = Desk()
        await desk.schedule(timetable=timetable)
        desk.house.now = at
        dice = Random(seed)

        async def hook(_: Call, dice: Random = dice) -> None:
            for _turn in range(dice.choice([1, 1, 2, 30])):
                await asyncio.sleep(0)

        desk.house.account.use_hook(hook)

        await asyncio.gather(*(desk.ticker().run() for _ in range(3)))

        assert desk.ran(*expected)
        following = (await desk.stands()).next
        assert following is not None
        assert following > at
        assert following in desk.due()
        await desk.tick(following)
        assert desk.ran(*expected, following)


class Killed(BaseException):
    """The process died here."""


def breaking_at(number: int, moment: Moment, error: BaseException) -> Hook:
    """Break off at the call of this number, and at every one after it."""
    calls = count()

    async def hook(call: Call) -> None:
        await asyncio.sleep(0)
        if call.moment is moment and next(calls) >= number:
            raise error

    return hook


async def broken_off_everywhere(
    prepare: Callable[[Desk], Awaitable[Any]], check: Callable[[Desk], Awaitable[None]], moment: Moment, at: float
) -> int:
    """Break a tick off at each of its calls, let the next ticks run, and check; how many calls there were."""
    for number in count():
        desk = Desk()
        await prepare(desk)
        desk.house.now = at
        desk.house.account.use_hook(breaking_at(number, moment, Killed()))
        try:
            await desk.ticker().run()
            has_ended = True
        except Killed:
            has_ended = False
        desk.house.account.use_hook(yielding)
        for minute in (1, 2):
            await desk.tick(at + minute * 60)
        await check(desk)
        if has_ended:
            return number
    raise AssertionError


@pytest.mark.parametrize("moment", Moment)
async def test_a_tick_that_is_killed_anywhere_loses_and_doubles_nothing(moment: Moment) -> None:
    async def check(desk: Desk) -> None:
        assert desk.ran(NINE)
        assert desk.due() == [NINE + DAY]
        assert (await desk.stands()).next == NINE + DAY
        assert set(await desk.house.open()) == set(desk.house.heads)

    calls = await broken_off_everywhere(lambda desk: desk.schedule(), check, moment, NINE)

    assert calls > 10


@pytest.mark.parametrize("moment", Moment)
async def test_a_tick_that_makes_up_for_all_is_killed_anywhere_and_loses_nothing(moment: Moment) -> None:
    hours = [NINE + number * HOUR for number in range(5)]

    async def check(desk: Desk) -> None:
        assert desk.ran(*hours)
        assert desk.due() == [hours[-1] + HOUR]

    timetable = {**HOURLY, "if_missed": "run_all"}
    calls = await broken_off_everywhere(
        lambda desk: desk.schedule(timetable=timetable), check, moment, hours[-1] + 30 * 60
    )

    assert calls > 50


@pytest.mark.parametrize("moment", Moment)
async def test_a_tick_that_passes_over_what_was_missed_is_killed_anywhere(moment: Moment) -> None:
    latest = NINE + 2 * DAY - HOUR

    async def check(desk: Desk) -> None:
        assert desk.ran(latest)
        await desk.tick(NINE + 2 * DAY - 1)
        assert desk.due() == [NINE + 2 * DAY]

    calls = await broken_off_everywhere(lambda desk: desk.schedule(timetable=HOURLY), check, moment, latest + 1800)

    assert calls > 10


async def test_an_answer_that_was_lost_is_found_out_by_reading() -> None:
    for number in count():
        desk = Desk()
        await desk.schedule()
        writes = count()

        async def hook(call: Call, writes: Any = writes, number: int = number) -> None:
            await asyncio.sleep(0)
            conditional = any(one.etag or one.kind in ("insert", "delete") for one in call.operations)
            if call.moment is Moment.AFTER and conditional and next(writes) == number:
                raise RowConflict("the second try met the first one's success")

        desk.house.account.use_hook(hook)
        await desk.tick(NINE)

        assert desk.ran(NINE)
        assert desk.due() == [NINE + DAY]
        if next(writes) <= number:
            break
    assert number >= 4


@pytest.mark.parametrize(
    ("if_missed", "expected"),
    [
        ("run_once", [NINE + 2 * DAY]),  # Wednesday's stands for Monday's and Tuesday's.
        ("skip", []),  # None of them.
        ("run_all", [NINE, NINE + DAY, NINE + 2 * DAY]),  # Each.
    ],
)
async def test_a_tick_two_days_late_makes_up_as_the_schedule_says(if_missed: str, expected: list[float]) -> None:
    desk = Desk()
    await desk.schedule(timetable={**DAILY, "if_missed": if_missed})

    await desk.tick(NINE + 2 * DAY + HOUR)

    assert desk.ran(*expected)
    assert (await desk.stands()).next == NINE + 3 * DAY
    assert desk.due() == [NINE + 3 * DAY]


async def test_a_tick_a_minute_late_is_no_downtime() -> None:
    desk = Desk()
    await desk.schedule(timetable={**DAILY, "if_missed": "skip"})

    await desk.tick(NINE + 90)

    assert desk.ran(NINE)


async def test_a_schedule_four_hundred_days_ahead_comes_then() -> None:
    desk = Desk()
    far = datetime(2027, 7, 6, 7, tzinfo=UTC).timestamp()
    await desk.schedule(next=far)

    await desk.tick(far - 60)
    assert desk.ran()
    await desk.tick(far)
    assert desk.ran(far)


async def test_the_last_occurrence_ends_a_schedule() -> None:
    desk = Desk()
    await desk.schedule(timetable={**DAILY, "ends_at": "2026-06-02T09:00:00+02:00"})

    await desk.tick(NINE)

    assert desk.ran(NINE)
    assert (await desk.stands()).next is None
    assert desk.due() == []


async def test_a_moved_on_schedule_whose_broadcast_is_missing_gets_it_before_the_next() -> None:
    desk = Desk()
    schedule = await desk.schedule(timetable=HOURLY, next=NINE)
    await desk.house.schedules.change(replace(schedule, last=NINE, next=NINE + HOUR))

    # A tick that looks at the later row alone, as one does whose page of due rows was read in between.
    [_, later] = await desk.house.schedules.due(NINE + HOUR, limit=10)
    desk.house.now = NINE + HOUR
    await desk.ticker()._look_at([later], {})

    assert desk.ran(NINE, NINE + HOUR)


async def test_a_pause_after_the_move_does_not_take_the_occurrence_back() -> None:
    desk = Desk()
    schedule = await desk.schedule()
    await desk.house.schedules.change(replace(schedule, last=NINE, next=None))

    await desk.tick(NINE + 60)

    assert desk.ran(NINE)


async def test_a_due_row_that_no_schedule_names_is_let_be_while_somebody_may_be_about_to() -> None:
    desk = Desk()
    schedule = await desk.schedule()
    await desk.house.schedules.change(replace(schedule, next=NINE + DAY))

    await desk.tick(NINE + STRAY_SECONDS - 60)
    assert desk.due() == [NINE, NINE + DAY]
    await desk.tick(NINE + STRAY_SECONDS + 1)

    assert desk.ran()
    assert desk.due() == [NINE + DAY]


async def test_a_due_row_of_a_removed_schedule_is_removed() -> None:
    desk = Desk()
    await desk.house.schedules.remove(await desk.schedule())

    await desk.tick(NINE + STRAY_SECONDS + 1)

    assert desk.ran()
    assert desk.due() == []


async def test_a_due_row_that_was_lost_is_written_anew() -> None:
    desk = Desk()
    schedule = await desk.schedule()
    await desk.schedule(id="1" * 20, next=None)
    await desk.schedule(id="2" * 20, next=NINE + DAY)
    await desk.house.schedules.settle(schedule, NINE)

    await desk.tick(NINE + STRAY_SECONDS - 1)
    await desk.look_for_lost()
    assert desk.due() == [NINE + DAY]

    desk.house.now = NINE + STRAY_SECONDS + 1
    await desk.look_for_lost()
    assert desk.due() == [NINE, NINE + DAY]
    await desk.tick(NINE + STRAY_SECONDS + 60)
    assert desk.ran(NINE)


async def test_due_rows_that_stand_are_let_be() -> None:
    desk = Desk()
    stands = await desk.schedule()
    desk.house.now = NINE + STRAY_SECONDS + 1

    await desk.look_for_lost()

    assert (await desk.stands()).version == stands.version


async def test_new_words_between_two_tries_do_not_make_a_second_broadcast() -> None:
    desk = Desk()
    schedule = await desk.schedule()
    moved = await desk.house.schedules.change(replace(schedule, last=NINE, next=NINE + DAY))
    # The key is taken and the process dies; then the author writes other words.
    desk.house.account.use_hook(breaking_at(6, Moment.BEFORE, Killed()))
    with pytest.raises(Killed):
        await desk.ticker().run()
    desk.house.account.use_hook(yielding)
    assert desk.ran()
    assert await desk.house.listed() == [occurrence_id(schedule=ID, at=NINE)]
    await desk.house.schedules.change(replace(moved, request={**moved.request, "content": {"text": "New words"}}))

    await desk.tick(NINE + 60)

    assert desk.ran(NINE)
    assert b"New words" in await desk.house.broadcasts.content(occurrence_id(schedule=ID, at=NINE))


async def test_an_occurrence_that_breaks_the_contract_is_kept_as_a_rejection_and_the_next_is_due() -> None:
    desk = Desk()
    await desk.schedule(request={"audience": {"from": "9" * 20, "states": ["sent"]}, "content": {"text": "Hi"}})

    await desk.tick(NINE)

    [rejection] = (await desk.house.rejections.page([TENANT], limit=10)).rejections
    assert rejection.key == occurrence_key(schedule=ID, at=NINE)
    assert [fault.pointer for fault in rejection.faults] == ["/audience/from"]
    assert desk.ran()
    assert desk.due() == [NINE + DAY]


async def test_a_timetable_that_is_not_read_any_more_keeps_its_place(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    await desk.schedule(timetable={"cron": "0 9 * * *", "zone": "Europe/Atlantis"})

    await desk.tick(NINE)

    assert "schedule_unreadable" in caplog.text
    assert desk.due() == [NINE]


async def test_a_schedule_that_storage_fails_keeps_nobody_from_the_others() -> None:
    desk = Desk()
    for number in range(3):
        await desk.schedule(id=f"{number:020}")

    async def hook(call: Call) -> None:
        await asyncio.sleep(0)
        if call.store == names.SCHEDULES and any(one.key == f"{1:020}" for one in call.operations):
            raise StorageUnavailable("away")

    desk.house.account.use_hook(hook)
    await desk.tick(NINE)
    desk.house.account.use_hook(yielding)
    assert len(desk.house.heads) == 2
    await desk.tick(NINE + 60)

    assert len(desk.house.heads) == 3


async def test_ten_due_schedules_among_ten_thousand_cost_tens_of_rows() -> None:
    desk = Desk()
    for number in range(10_000):
        at = NINE if number % 1_000 == 0 else NINE + DAY + number
        await desk.schedule(id=f"{number:020}", last=NINE - DAY, next=at)
    calls: Counter[str] = Counter()

    async def hook(call: Call) -> None:
        await asyncio.sleep(0)
        if call.moment is Moment.BEFORE and call.store == names.SCHEDULES:
            calls[call.verb] += 1

    desk.house.account.use_hook(hook)
    rows = await desk.house.schedules.due(NINE, limit=MOST_DUE)
    calls.clear()
    await desk.tick(NINE)

    assert len(rows) == 10
    assert len(desk.house.heads) == 10
    # One scan brings ten rows; each schedule is read twice, looked at for its last row, and written three times. The
    # calendar is read once.
    assert calls == {"scan": 1, "get": 31, "write": 30}


BY_DAY = {**DAILY, "quiet_hours": {"from": "18:00", "to": "08:00"}}
EVENING, MORNING = NINE + 11 * HOUR, NINE + 23 * HOUR


async def test_what_was_missed_waits_until_the_schedule_opens() -> None:
    desk = Desk()
    await desk.schedule(timetable=BY_DAY)

    for at in (EVENING, EVENING + 60, EVENING + STRAY_SECONDS + 60, MORNING - 60):
        await desk.tick(at)
        await desk.look_for_lost()
        assert desk.ran()
        assert desk.due() == [NINE]
    await desk.tick(MORNING)
    await desk.tick(MORNING + 60)

    assert desk.ran(NINE)
    assert desk.due() == [NINE + DAY]


async def test_what_was_missed_is_dropped_while_it_is_closed_where_the_schedule_says_so() -> None:
    desk = Desk()
    await desk.schedule(timetable={**BY_DAY, "if_closed": "drop"})

    for at in (EVENING, EVENING + 60, MORNING):
        await desk.tick(at)

    assert desk.ran()
    assert desk.due() == [NINE + DAY]


async def test_a_tenants_calendar_holds_back_what_was_missed() -> None:
    desk = Desk()
    await desk.schedule()
    await desk.put_calendar(quiet_hours={"from": "18:00", "to": "08:00"})

    await desk.tick(EVENING)
    assert desk.ran()
    await desk.tick(MORNING)

    assert desk.ran(NINE)


@pytest.mark.parametrize("moment", Moment)
async def test_a_tick_that_is_killed_anywhere_as_the_schedule_opens_loses_and_doubles_nothing(moment: Moment) -> None:
    async def prepare(desk: Desk) -> None:
        await desk.schedule(timetable={**BY_DAY, "cron": "0 9,15 * * *", "if_missed": "run_all"})
        await asyncio.gather(desk.tick(EVENING), desk.tick(EVENING))
        assert desk.ran()

    async def check(desk: Desk) -> None:
        assert desk.ran(NINE, NINE + 6 * HOUR)
        assert desk.due() == [NINE + DAY]

    calls = await broken_off_everywhere(prepare, check, moment, MORNING)

    assert calls > 15


CLOSED_UNTIL_TEN = {"quiet_hours": {"from": "08:00", "to": "10:00"}}


@pytest.mark.parametrize(
    ("calendar", "following"),
    [
        (CLOSED_UNTIL_TEN, NINE + HOUR),  # It waits.
        ({**CLOSED_UNTIL_TEN, "working_days": ["TUE"]}, NINE + 15 * HOUR),  # Until midnight.
        ({"exceptions": ["2026-06-01"], "if_closed": "wait"}, NINE + DAY),  # It is dropped.
        ({"working_days": ["THU"], "if_closed": "drop"}, NINE + 3 * DAY),
        ({**CLOSED_UNTIL_TEN, "if_closed": "drop"}, NINE + DAY),  # As all that are to come, but by this calendar alone.
    ],
)
async def test_an_occurrence_is_judged_by_the_calendar_that_stands_when_it_is_due(
    calendar: dict[str, Any], following: float
) -> None:
    desk = Desk()
    await desk.schedule()
    await desk.put_calendar(**calendar)

    for minute in range(3):
        await desk.tick(NINE + minute * 60)

    assert desk.ran()
    assert (await desk.stands()).next == following
    assert desk.due() == [following]


async def test_a_calendar_that_drops_all_ends_no_schedule() -> None:
    desk = Desk()
    await desk.schedule()
    await desk.put_calendar(**CLOSED_UNTIL_TEN, if_closed="drop")

    for day in range(3):
        await desk.tick(NINE + day * DAY)
    assert desk.ran()
    await desk.house.calendars.remove(TENANT)
    await desk.tick(NINE + 3 * DAY)

    assert desk.ran(NINE + 3 * DAY)


async def test_what_waited_for_a_calendar_that_is_gone_comes_where_it_waited_for() -> None:
    desk = Desk()
    await desk.put_calendar(**CLOSED_UNTIL_TEN)
    await desk.schedule(next=NINE + HOUR)
    await desk.house.calendars.remove(TENANT)

    await desk.tick(NINE)
    assert desk.ran()
    await desk.tick(NINE + HOUR)

    assert desk.ran(NINE + HOUR)
    assert desk.due() == [NINE + DAY]


async def test_a_calendar_of_another_tenant_is_not_asked() -> None:
    desk = Desk()
    await desk.schedule()
    await desk.house.calendars.put("another", Calendar(document=CLOSED_UNTIL_TEN, changed_at=NINE))

    await desk.tick(NINE)

    assert desk.ran(NINE)


async def test_a_schedule_with_fields_of_its_own_goes_by_them() -> None:
    desk = Desk()
    await desk.put_calendar(**CLOSED_UNTIL_TEN, exceptions=["2026-06-01"])
    await desk.schedule(timetable={**DAILY, "exceptions": []})
    await desk.schedule(id="1" * 20, timetable={**DAILY, "ignores_calendar": True})

    await desk.tick(NINE)
    assert desk.ran(NINE, schedule="1" * 20)
    await desk.tick(NINE + HOUR)

    assert len(desk.house.heads) == 2
    assert (await desk.stands()).last == NINE + HOUR


@pytest.mark.parametrize(
    ("if_missed", "expected"),
    [
        ("run_once", [NINE + 2 * DAY + HOUR]),
        ("skip", []),
        # Tuesday is crossed out by now, and ten o'clock is when each of the others is due by now.
        ("run_all", [NINE + HOUR, NINE + 2 * DAY + HOUR]),
    ],
)
async def test_a_tick_two_days_late_makes_up_as_the_calendar_has_it_by_then(
    if_missed: str, expected: list[float]
) -> None:
    desk = Desk()
    await desk.schedule(timetable={**DAILY, "if_missed": if_missed})
    await desk.put_calendar(**CLOSED_UNTIL_TEN, exceptions=["2026-06-02"])

    await desk.tick(NINE + 2 * DAY + 2 * HOUR)

    assert desk.ran(*expected)
    assert desk.due() == [NINE + 3 * DAY + HOUR]


@pytest.mark.parametrize("moment", Moment)
@pytest.mark.parametrize(
    ("calendar", "late", "expected", "following"),
    [
        # On time, and closed by now.
        (CLOSED_UNTIL_TEN, 0.0, [], NINE + HOUR),
        # Dropped by now, with all that are to come.
        ({**CLOSED_UNTIL_TEN, "if_closed": "drop"}, 0.0, [], NINE + DAY),
        # Two days late.
        ({**CLOSED_UNTIL_TEN, "exceptions": ["2026-06-02"]}, 2 * DAY + 2 * HOUR, [0, 2], NINE + 3 * DAY + HOUR),
    ],
)
async def test_a_tick_that_is_killed_anywhere_holds_the_calendar_all_the_same(
    calendar: dict[str, Any], late: float, expected: list[int], following: float, moment: Moment
) -> None:
    async def prepare(desk: Desk) -> None:
        await desk.schedule(timetable={**DAILY, "if_missed": "run_all"})
        await desk.put_calendar(**calendar)

    async def check(desk: Desk) -> None:
        assert desk.ran(*(NINE + day * DAY + HOUR for day in expected))
        await desk.tick(NINE + late + STRAY_SECONDS + 180)
        assert desk.due() == [following]

    calls = await broken_off_everywhere(prepare, check, moment, NINE + late)

    assert calls > 5


async def test_ticks_at_once_that_read_different_calendars_make_one_broadcast() -> None:
    ran = set[float | None]()
    for seed in range(24):
        desk = Desk()
        await desk.schedule()
        dice = Random(seed)
        reads = count(1)

        async def hook(call: Call, desk: Desk = desk, dice: Random = dice, reads: Any = reads) -> None:
            for _turn in range(dice.choice([1, 1, 2, 30])):
                await asyncio.sleep(0)
            if call.moment is Moment.BEFORE and call.partition == "calendars" and next(reads) == 2:
                await desk.put_calendar(**CLOSED_UNTIL_TEN)

        desk.house.account.use_hook(hook)
        await asyncio.gather(*(desk.ticker().run() for _ in range(3)))
        desk.house.account.use_hook(yielding)
        for at in (NINE + 60, NINE + HOUR, NINE + STRAY_SECONDS + HOUR + 60, NINE + DAY):
            await desk.tick(at)

        # At nine, by who read no calendar, or at ten: never both.
        assert desk.ran(NINE) or desk.ran(NINE + HOUR)
        assert desk.due() == [NINE + DAY + HOUR]
        ran.add((await desk.stands()).last)
    assert ran == {NINE, NINE + HOUR}


async def test_a_calendar_that_is_not_read_any_more_keeps_its_schedules_in_their_place(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk = Desk()
    await desk.schedule()
    await desk.put_calendar(holidays="DE")

    await desk.tick(NINE)

    assert "schedule_unreadable" in caplog.text
    assert desk.due() == [NINE]


async def test_a_calendar_that_storage_fails_leaves_all_to_the_next_tick() -> None:
    desk = Desk()
    await desk.schedule()

    async def hook(call: Call) -> None:
        await asyncio.sleep(0)
        if call.partition == "calendars":
            raise StorageUnavailable("away")

    desk.house.account.use_hook(hook)
    await desk.tick(NINE)
    assert desk.ran()
    desk.house.account.use_hook(yielding)
    await desk.tick(NINE + 60)

    assert desk.ran(NINE)


async def test_more_than_a_tick_takes_is_left_to_the_next_the_earliest_first() -> None:
    desk = Desk()
    for number in range(MOST_DUE + 5):
        await desk.schedule(id=f"{number:020}")

    await desk.tick(NINE)
    assert len(desk.house.heads) == MOST_DUE
    await desk.tick(NINE + 60)

    assert len(desk.house.heads) == MOST_DUE + 5


async def test_schedules_that_wait_until_they_open_keep_nobody_behind_them_waiting() -> None:
    desk = Desk()
    for number in range(MOST_DUE):
        await desk.schedule(id=f"{number:020}", timetable=BY_DAY)
    await desk.schedule(id="9" * 20, next=EVENING, timetable={**DAILY, "cron": "0 20 * * *"})

    await desk.tick(EVENING)

    assert desk.ran(EVENING, schedule="9" * 20)
    assert len(desk.due()) == MOST_DUE + 1
