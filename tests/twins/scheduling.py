"""Schedules for tests, and what their table does in memory and on Azurite: one suite for both."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from shared.errors import RowConflict, ScheduleNotFound
from shared.ports import Table
from shared.storage.calendars import Calendar, Calendars
from shared.storage.schedules import Schedule, Schedules, ScheduleState
from tests.twins.accepting import ALICE, NOON, TENANT

FAR = 400 * 24 * 3600.0


def a_schedule(**changes: Any) -> Schedule:
    """A schedule that comes each day at nine."""
    fields: dict[str, Any] = {
        "id": "0" * 20,
        "tenant": TENANT,
        "timetable": {"cron": "0 9 * * *", "zone": "Europe/Berlin"},
        "request": {"audience": {"users": [ALICE]}, "content": {"text": "Good morning"}},
        "created_at": NOON,
        "changed_at": NOON,
    }
    return Schedule(**{**fields, **changes})


def a_calendar(if_closed: str = "drop") -> Calendar:
    """A calendar with as many exceptions as it may have."""
    exceptions = [f"2026-12-{1 + number % 31:02}" for number in range(400)]
    return Calendar(document={"exceptions": exceptions, "if_closed": if_closed}, changed_at=NOON)


class SchedulesContract:
    """The rules of the table Schedules. A test class brings the fixture `table`."""

    @pytest.fixture
    def schedules(self, table: Table) -> Schedules:
        return Schedules(table)

    @pytest.fixture
    def tenant(self) -> str:
        return str(uuid4())

    async def due_of(self, schedules: Schedules, tenant: str, now: float) -> list[float]:
        return [due.at for due in await schedules.due(now, limit=1_000) if due.tenant == tenant]

    async def test_a_schedule_reads_back_as_it_was_written(self, schedules: Schedules, tenant: str) -> None:
        written = await schedules.create(
            a_schedule(
                tenant=tenant,
                name="Morgengruß",
                request={"content": {"text": "é" * 40_000}},
                state=ScheduleState.PAUSED,
                last=NOON + 0.001,
                next=NOON + 60,
                latest=(NOON + 0.001, NOON - 60),
            )
        )

        assert await schedules.get(tenant, written.id) == written

    async def test_what_is_not_there_is_not_found(self, schedules: Schedules, tenant: str) -> None:
        with pytest.raises(ScheduleNotFound):
            await schedules.get(tenant, "nobody")

    async def test_an_id_is_taken_once(self, schedules: Schedules, tenant: str) -> None:
        await schedules.create(a_schedule(tenant=tenant, name="first"))

        with pytest.raises(RowConflict):
            await schedules.create(a_schedule(tenant=tenant, name="second"))

        assert (await schedules.get(tenant, "0" * 20)).name == "first"

    async def test_of_two_changes_of_one_version_the_second_conflicts(self, schedules: Schedules, tenant: str) -> None:
        stands = await schedules.create(a_schedule(tenant=tenant))
        changed = await schedules.change(replace(stands, name="one"))

        with pytest.raises(RowConflict):
            await schedules.change(replace(stands, name="other"))

        assert await schedules.get(tenant, stands.id) == changed

    async def test_a_removed_schedule_is_gone_in_the_version_that_was_read(
        self, schedules: Schedules, tenant: str
    ) -> None:
        stands = await schedules.create(a_schedule(tenant=tenant))
        changed = await schedules.change(replace(stands, name="one"))

        with pytest.raises(RowConflict):
            await schedules.remove(stands)
        await schedules.remove(changed)

        with pytest.raises(ScheduleNotFound):
            await schedules.get(tenant, stands.id)

    @pytest.mark.parametrize("size", [1, 2, 3, 5, 6])
    async def test_pages_list_every_schedule_once(self, schedules: Schedules, tenant: str, size: int) -> None:
        for number in range(5):
            await schedules.create(a_schedule(tenant=tenant, id=f"{number:020}"))

        listed, after = list[str](), ""
        while True:
            page = await schedules.page(tenant, after=after, limit=size)
            listed += [one.id for one in page.schedules]
            after = page.next
            if not after:
                break

        assert listed == [f"{number:020}" for number in range(5)]

    async def test_what_is_due_comes_in_the_order_of_time(self, schedules: Schedules, tenant: str) -> None:
        for number, at in enumerate((NOON + 60, NOON, NOON - FAR, NOON + 0.001)):
            await schedules.create(a_schedule(tenant=tenant, id=f"{number:020}", next=at))

        assert await self.due_of(schedules, tenant, NOON) == [NOON - FAR, NOON]
        assert await self.due_of(schedules, tenant, NOON + FAR) == [NOON - FAR, NOON, NOON + 0.001, NOON + 60]

    async def test_due_rows_are_read_on_behind_one(self, schedules: Schedules, tenant: str) -> None:
        for number in range(3):
            await schedules.create(a_schedule(tenant=tenant, id=f"{number:020}", next=NOON))
        first = next(due for due in await schedules.due(NOON, limit=1_000) if due.tenant == tenant)

        behind = await schedules.due(NOON, limit=1_000, after=first)

        assert [one.schedule for one in behind if one.tenant == tenant] == [f"{number:020}" for number in (1, 2)]
        assert first not in behind

    async def test_a_paused_schedule_has_no_due_row(self, schedules: Schedules, tenant: str) -> None:
        await schedules.create(a_schedule(tenant=tenant, next=None))

        assert await self.due_of(schedules, tenant, NOON + FAR) == []

    async def test_a_due_row_is_removed_once(self, schedules: Schedules, tenant: str) -> None:
        schedule = await schedules.create(a_schedule(tenant=tenant, next=NOON))
        assert await schedules.is_due(schedule, NOON)

        await schedules.settle(schedule, NOON)
        await schedules.settle(schedule, NOON)

        assert not await schedules.is_due(schedule, NOON)

    async def test_a_due_row_that_was_written_again_is_not_dropped(self, schedules: Schedules, tenant: str) -> None:
        schedule = await schedules.create(a_schedule(tenant=tenant, next=NOON))
        [due] = [one for one in await schedules.due(NOON, limit=1_000) if one.tenant == tenant]
        await schedules.change(schedule)

        await schedules.drop(due)
        assert await schedules.is_due(schedule, NOON)

        [due] = [one for one in await schedules.due(NOON, limit=1_000) if one.tenant == tenant]
        await schedules.drop(due)
        assert not await schedules.is_due(schedule, NOON)

    async def test_a_calendar_reads_back_as_it_was_written(self, table: Table, tenant: str) -> None:
        calendars, written = Calendars(table), a_calendar()
        assert (await calendars.get(tenant), await calendars.document(tenant)) == (None, {})

        await calendars.put(tenant, written)

        stands = await calendars.get(tenant)
        assert stands is not None
        assert replace(stands, row_version="") == written
        assert stands.version == written.version
        assert await calendars.document(tenant) == written.document

    async def test_a_calendar_is_written_or_removed_in_the_version_that_was_read(
        self, table: Table, tenant: str
    ) -> None:
        calendars = Calendars(table)
        await calendars.put(tenant, a_calendar())
        stands = await calendars.get(tenant)
        await calendars.put(tenant, a_calendar("wait"), over=stands)

        with pytest.raises(RowConflict):
            await calendars.put(tenant, a_calendar("drop"), over=stands)
        with pytest.raises(RowConflict):
            await calendars.remove(tenant, only=stands)

        assert await calendars.document(tenant) == a_calendar("wait").document
        await calendars.remove(tenant, only=await calendars.get(tenant))
        assert await calendars.get(tenant) is None

    async def test_a_calendar_is_no_schedule_of_its_tenant(
        self, schedules: Schedules, table: Table, tenant: str
    ) -> None:
        await Calendars(table).put(tenant, a_calendar())

        assert (await schedules.page(tenant, limit=10)).schedules == ()
        assert [one async for one in schedules.overdue(tenant, before=NOON)] == []
