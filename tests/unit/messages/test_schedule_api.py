"""The API of schedules: what each request does and answers, also while the tick moves the schedule on."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any

import orjson
import pytest

from messages.answers import Answer
from messages.problems import answering
from messages.schedule_api import ScheduleApi
from messages.schedule_view import ScheduleView
from send_worker.due_schedules import DueSchedules
from shared.domain.ids import occurrence_id
from shared.errors import RowConflict, StorageUnavailable
from shared.storage import names
from shared.storage.calendars import Calendar
from shared.storage.schedules import Schedule
from tests.twins.accepting import ALICE, TENANT, House, as_json
from tests.twins.storage import Call, Moment, fail_once, yielding

URL = "https://herald.test/api/schedules"
NINE = datetime(2026, 6, 1, 7, tzinfo=UTC).timestamp()
"""Monday, 1 June 2026, 09:00 in Berlin."""
DAY = 24 * 3600.0
DAILY = {"cron": "0 9 * * *", "zone": "Europe/Berlin"}


class Desk:
    """An author's desk in a house, where a tick may be run."""

    def __init__(self, *, tenants: tuple[str, ...] = (TENANT,)) -> None:
        self.house = House(tenants=tenants)
        self.house.now = NINE - 3600
        keys = count(1)
        self.api = ScheduleApi(
            self.house.schedules,
            self.house.calendars,
            acceptance=self.house.acceptance,
            view=ScheduleView(self.house.broadcasts, self.house.calendars, self.house.reports),
            clock=self.house.account.clock,
            tenants=tenants,
            new_key=lambda: f"made-{next(keys)}",
        )
        self._due = DueSchedules(
            self.house.schedules,
            self.house.calendars,
            acceptance=self.house.acceptance,
            rejections=self.house.rejections,
            clock=self.house.account.clock,
            tenants=tenants,
            takes_names=False,
        )

    async def create(self, *, key: str | None = None, **changes: Any) -> Answer:
        body = as_json(a_document(**changes))
        return await answering(self.api.create(body, key_header=key, url=URL))

    async def created(self, **changes: Any) -> str:
        return str(read(await self.create(**changes))["id"])

    async def get(self, schedule_id: str) -> Answer:
        return await answering(self.api.get(schedule_id, url=f"{URL}/{schedule_id}"))

    async def put(self, schedule_id: str, *, if_match: str | None = "*", **changes: Any) -> Answer:
        body = as_json(a_document(**changes))
        return await answering(self.api.put(schedule_id, body, if_match=if_match, url=f"{URL}/{schedule_id}"))

    async def ask(self, verb: Callable[..., Awaitable[Answer]], schedule_id: str) -> Answer:
        return await answering(verb(schedule_id, url=f"{URL}/{schedule_id}"))

    async def tick(self, at: float) -> None:
        self.house.now = at
        await self._due.run()

    async def put_calendar(self, **document: Any) -> None:
        await self.house.calendars.put(TENANT, Calendar(document=document, changed_at=self.house.now))

    async def stands(self, schedule_id: str) -> Schedule:
        return await self.house.schedules.get(TENANT, schedule_id)

    def due(self) -> list[float]:
        return [int(key.partition("!")[0]) / 1000 for key in self.house.account.table(names.SCHEDULES).rows("due")]


def a_document(**changes: Any) -> dict[str, Any]:
    document = {
        "version": 1,
        "timetable": DAILY,
        "audience": {"users": [ALICE]},
        "content": {"text": "Good morning"},
    }
    return {name: value for name, value in {**document, **changes}.items() if value is not None}


def read(answer: Answer) -> Any:
    return orjson.loads(answer.body)


async def test_a_schedule_is_made_and_tells_when_it_comes() -> None:
    desk = Desk()

    answer = await desk.create(name="Morning")

    document = read(answer)
    assert answer.status == 201
    assert answer.headers["Location"] == document["links"]["self"] == f"{URL}/{document['id']}"
    assert answer.headers["ETag"].startswith('"')
    assert (document["name"], document["state"], document["tenant"]) == ("Morning", "active", TENANT)
    assert document["timetable"] == DAILY
    assert document["content"] == {"text": "Good morning"}
    assert document["next"] == "2026-06-01T07:00:00.000Z"
    assert document["upcoming"] == [f"2026-06-0{day}T09:00:00+02:00" for day in range(1, 6)]
    assert document["broadcasts"] == []
    assert desk.due() == [NINE]


async def test_faults_are_told_with_their_places() -> None:
    answer = await Desk().create(timetable={"cron": "0 9 30 2 *", "zone": "Europe/Berlni"}, content={"text": ""})

    assert answer.status == 422
    assert [error["pointer"] for error in read(answer)["errors"]] == [
        "/timetable/cron",
        "/timetable/zone",
        "/content/text",
    ]


async def test_a_key_makes_one_schedule() -> None:
    desk = Desk()
    first = await desk.create(key="mornings")

    again = await desk.create(key="mornings")
    other = await desk.create(key="mornings", content={"text": "Good evening"})

    assert (first.status, again.status, other.status) == (201, 200, 409)
    assert read(again)["id"] == read(first)["id"] == read(other)["schedule"]
    assert read(other)["type"] == "urn:herald:problem:key-reused"
    assert desk.due() == [NINE]


async def test_without_a_key_each_request_makes_one() -> None:
    desk = Desk()

    assert await desk.created() != await desk.created()


async def test_a_creation_whose_answer_was_lost_is_found_again() -> None:
    desk = Desk()
    # The first write is the due row's, which nothing can conflict with: the second is the schedule's.
    calls = count()

    async def hook(call: Call) -> None:
        await asyncio.sleep(0)
        if call.moment is Moment.AFTER and call.verb == "write" and next(calls) == 1:
            raise RowConflict("its own success")

    desk.house.account.use_hook(hook)

    assert (await desk.create(key="k")).status == 200


async def test_a_schedule_tells_of_its_broadcasts() -> None:
    desk = Desk()
    schedule = await desk.created()
    await desk.tick(NINE)
    await desk.tick(NINE + DAY)

    document = read(await desk.get(schedule))

    ids = [occurrence_id(schedule=schedule, at=at) for at in (NINE + DAY, NINE)]
    assert [(one["id"], one["at"]) for one in document["broadcasts"]] == [
        (ids[0], "2026-06-02T07:00:00.000Z"),
        (ids[1], "2026-06-01T07:00:00.000Z"),
    ]
    assert document["broadcasts"][0]["state"] == "sending"
    assert document["broadcasts"][0]["links"]["self"] == f"https://herald.test/api/broadcasts/{ids[0]}"
    assert (document["last"], document["next"]) == ("2026-06-02T07:00:00.000Z", "2026-06-03T07:00:00.000Z")


async def test_a_schedule_that_is_over_says_so() -> None:
    desk = Desk()
    schedule = await desk.created(timetable={**DAILY, "ends_at": "2026-06-01T23:00:00+02:00"})
    await desk.tick(NINE)

    document = read(await desk.get(schedule))

    assert (document["state"], document["next"], document["upcoming"]) == ("ended", None, [])


@pytest.mark.parametrize("schedule_id", ["0" * 20, "nobody", "a/b", ""])
async def test_an_unknown_schedule_is_not_found(schedule_id: str) -> None:
    desk = Desk()

    answers = [
        await desk.get(schedule_id),
        await desk.put(schedule_id),
        await desk.ask(desk.api.pause, schedule_id),
        await desk.ask(desk.api.resume, schedule_id),
        await desk.ask(desk.api.run, schedule_id),
        await answering(desk.api.remove(schedule_id)),
    ]

    assert {answer.status for answer in answers} == {404}
    assert {read(answer)["title"] for answer in answers} == {"No such schedule"}


async def test_pages_list_every_schedule() -> None:
    desk = Desk()
    made = {await desk.created(name=f"number {number}") for number in range(5)}

    listed, after = list[str](), ""
    while True:
        page = read(await answering(desk.api.list({"limit": "2", "after": after}, url=URL)))
        listed += [one["id"] for one in page["schedules"]]
        if page["next"] is None:
            break
        after = page["next"].rpartition("after=")[2]

    assert len(listed) == 5
    assert set(listed) == made


async def test_new_words_keep_what_is_due() -> None:
    desk = Desk()
    schedule = await desk.created()
    desk.house.now = NINE + 30  # Due, and the tick has not come yet.

    answer = await desk.put(schedule, content={"text": "Good morning, all"})

    assert answer.status == 200
    assert read(answer)["content"] == {"text": "Good morning, all"}
    await desk.tick(NINE + 60)
    assert b"Good morning, all" in await desk.house.broadcasts.content(occurrence_id(schedule=schedule, at=NINE))


async def test_another_timetable_holds_from_now_on() -> None:
    desk = Desk()
    schedule = await desk.created()

    answer = await desk.put(schedule, timetable={"cron": "30 8 * * *", "zone": "Europe/Berlin"})

    assert read(answer)["next"] == "2026-06-01T06:30:00.000Z"
    await desk.tick(NINE - 1800)
    await desk.tick(NINE)
    assert desk.house.heads == [occurrence_id(schedule=schedule, at=NINE - 1800)]


async def test_a_change_names_the_version_that_it_changes() -> None:
    desk = Desk()
    created = await desk.create()
    schedule, tag = read(created)["id"], created.headers["ETag"]

    missing = await desk.put(schedule, if_match=None, name="one")
    first = await desk.put(schedule, if_match=tag, name="one")
    again = await desk.put(schedule, if_match=tag, name="one")  # Its answer was lost: it says what stands already.
    late = await desk.put(schedule, if_match=tag, name="other")

    assert (missing.status, first.status, again.status, late.status) == (428, 200, 200, 412)
    assert first.headers["ETag"] == again.headers["ETag"] == late.headers["ETag"] != tag
    assert read(late)["type"] == "urn:herald:problem:changed-since"
    assert (await desk.stands(schedule)).name == "one"


async def test_the_tick_changes_no_version() -> None:
    desk = Desk()
    created = await desk.create()
    schedule, tag = read(created)["id"], created.headers["ETag"]
    await desk.tick(NINE)

    assert (await desk.get(schedule)).headers["ETag"] == tag
    assert (await desk.put(schedule, if_match=tag, name="one")).status == 200


@pytest.mark.parametrize(
    ("changes", "pointer"), [({"key": "k"}, "/key"), ({"tenant": "00000000-0000-0000-0000-00000000bbbb"}, "/tenant")]
)
async def test_key_and_tenant_stay(changes: dict[str, str], pointer: str) -> None:
    desk = Desk(tenants=(TENANT, "00000000-0000-0000-0000-00000000bbbb"))
    schedule = await desk.created(tenant=TENANT)

    answer = await desk.put(schedule, **{"tenant": TENANT, **changes})

    assert answer.status == 422
    assert [error["pointer"] for error in read(answer)["errors"]] == [pointer]


async def test_a_paused_schedule_stands_still_and_makes_up_for_nothing() -> None:
    desk = Desk()
    schedule = await desk.created()

    paused = read(await desk.ask(desk.api.pause, schedule))
    await desk.tick(NINE + 60)
    desk.house.now = NINE + DAY + 3600
    resumed = read(await desk.ask(desk.api.resume, schedule))
    again = read(await desk.ask(desk.api.resume, schedule))

    assert (paused["state"], paused["next"], paused["upcoming"]) == ("paused", None, [])
    assert not desk.house.heads
    assert (resumed["state"], resumed["next"]) == ("active", "2026-06-03T07:00:00.000Z")
    assert again == resumed
    await desk.tick(NINE + 2 * DAY)
    assert len(desk.house.heads) == 1


async def test_to_resume_what_is_active_takes_nothing_away_that_is_due() -> None:
    desk = Desk()
    schedule = await desk.created()
    desk.house.now = NINE + 30

    await desk.ask(desk.api.resume, schedule)
    await desk.tick(NINE + 60)

    assert desk.house.heads == [occurrence_id(schedule=schedule, at=NINE)]


async def test_a_paused_schedule_that_is_changed_stays_paused() -> None:
    desk = Desk()
    schedule = await desk.created()
    await desk.ask(desk.api.pause, schedule)

    changed = read(await desk.put(schedule, timetable={"cron": "0 10 * * *", "zone": "UTC"}))

    assert (changed["state"], changed["next"]) == ("paused", None)


async def test_a_schedule_is_run_by_hand_and_comes_in_its_time_all_the_same() -> None:
    desk = Desk()
    schedule = await desk.created()

    answer = await desk.ask(desk.api.run, schedule)
    await desk.tick(NINE)

    by_hand = occurrence_id(schedule=schedule, at=NINE - 3600)
    assert answer.status == 202
    assert answer.headers["Location"] == f"https://herald.test/api/broadcasts/{by_hand}"
    assert [one["id"] for one in read(answer)["broadcasts"]] == [by_hand]
    assert sorted(desk.house.heads) == [by_hand, occurrence_id(schedule=schedule, at=NINE)]


async def test_a_removed_schedule_is_gone_and_its_broadcasts_go_on() -> None:
    desk = Desk()
    schedule = await desk.created()
    await desk.tick(NINE)

    removed = await answering(desk.api.remove(schedule))

    assert (removed.status, removed.body) == (204, b"")
    assert (await desk.get(schedule)).status == 404
    assert desk.due() == []
    await desk.tick(NINE + DAY)
    assert len(desk.house.heads) == 1


@pytest.mark.parametrize("verb", ["put", "pause", "resume", "run", "remove"])
async def test_a_change_that_meets_the_tick_is_made_of_what_the_tick_left(verb: str) -> None:
    desk = Desk()
    schedule = await desk.created()
    desk.house.now = NINE
    met = list[Call]()

    async def hook(call: Call) -> None:
        await asyncio.sleep(0)
        is_change = any(one.kind in ("replace", "delete") for one in call.operations) and call.partition == TENANT
        if call.moment is Moment.BEFORE and call.store == names.SCHEDULES and is_change and not met:
            met.append(call)
            await desk.tick(NINE)

    desk.house.account.use_hook(hook)
    if verb == "put":
        answer = await desk.put(schedule, name="one")
    elif verb == "remove":
        answer = await answering(desk.api.remove(schedule))
    else:
        answer = await desk.ask(getattr(desk.api, verb), schedule)

    desk.house.account.use_hook(yielding)
    assert answer.status < 300
    assert met
    assert occurrence_id(schedule=schedule, at=NINE) in desk.house.heads
    if verb != "remove":
        stands = await desk.stands(schedule)
        assert stands.last == NINE
        assert stands.next in (NINE + DAY, None)
        assert (stands.next is None) == (verb == "pause")


async def test_what_has_run_does_not_come_again_by_a_clock_that_is_behind() -> None:
    desk = Desk()
    schedule = await desk.created()
    await desk.tick(NINE)
    desk.house.now = NINE - 0.05

    await desk.put(schedule, timetable={"cron": "0 * * * *", "zone": "Europe/Berlin"})
    changed = await desk.stands(schedule)
    await desk.ask(desk.api.pause, schedule)
    await desk.ask(desk.api.resume, schedule)
    resumed = await desk.stands(schedule)

    assert (changed.next, resumed.next) == (NINE + 3600, NINE + 3600)


async def test_changes_that_never_come_first_are_told() -> None:
    desk = Desk()
    schedule = await desk.created()

    async def hook(call: Call) -> None:
        await asyncio.sleep(0)
        is_change = any(one.kind in ("replace", "delete") for one in call.operations) and call.partition == TENANT
        if call.moment is Moment.BEFORE and call.store == names.SCHEDULES and is_change:
            raise RowConflict("somebody else")

    desk.house.account.use_hook(hook)

    answers = [await desk.ask(desk.api.pause, schedule), await answering(desk.api.remove(schedule))]

    assert [answer.status for answer in answers] == [409, 409]
    assert {read(answer)["type"] for answer in answers} == {"urn:herald:problem:changed-meanwhile"}


async def test_a_new_schedule_follows_the_calendar() -> None:
    desk = Desk()
    await desk.put_calendar(quiet_hours={"from": "18:00", "to": "10:00"}, working_days=["MON", "WED"])

    follows = read(await desk.create())
    own = read(await desk.create(timetable={**DAILY, "working_days": ["TUE"]}))
    ignores = read(await desk.create(timetable={**DAILY, "ignores_calendar": True}))

    assert follows["next"] == "2026-06-01T08:00:00.000Z"
    assert follows["upcoming"] == [f"2026-06-{day:02}T10:00:00+02:00" for day in (1, 3, 8, 10, 15)]
    assert follows["timetable"] == DAILY
    assert own["upcoming"][0] == "2026-06-02T10:00:00+02:00"
    assert ignores["next"] == "2026-06-01T07:00:00.000Z"


async def test_a_calendar_is_meant_on_each_recipients_own_clock_where_the_schedule_is() -> None:
    desk = Desk()
    await desk.put_calendar(quiet_hours={"from": "18:00", "to": "10:00"}, exceptions=["2026-06-03"])

    timetable = {"cron": "0 9 * * *", "zone": "recipient", "default_zone": "Europe/Berlin"}
    document = read(await desk.create(timetable=timetable))

    assert document["upcoming"] == [f"2026-06-{day:02}T10:00:00" for day in (2, 4, 5, 6, 7)]


async def test_a_schedule_that_the_calendar_drops_as_a_whole_is_refused() -> None:
    desk = Desk()
    await desk.put_calendar(working_days=["TUE"], if_closed="drop")
    schedule = await desk.created()

    answers = [
        await desk.create(timetable={"cron": "0 9 * * MON", "zone": "UTC"}),
        await desk.put(schedule, timetable={"cron": "0 9 * * MON", "zone": "UTC"}),
    ]

    assert [answer.status for answer in answers] == [422, 422]
    assert {error["pointer"] for answer in answers for error in read(answer)["errors"]} == {"/timetable/cron"}


async def test_what_is_upcoming_is_judged_by_the_calendar_that_stands() -> None:
    desk = Desk()
    schedule = await desk.created()

    await desk.put_calendar(exceptions=["2026-06-01", "2026-06-03"])
    crossed_out = read(await desk.get(schedule))
    await desk.put_calendar(quiet_hours={"from": "08:00", "to": "12:00"}, if_closed="drop")
    dropped = read(await desk.get(schedule))

    assert crossed_out["next"] == dropped["next"] == "2026-06-01T07:00:00.000Z"
    assert crossed_out["upcoming"][:2] == ["2026-06-02T09:00:00+02:00", "2026-06-04T09:00:00+02:00"]
    assert (dropped["state"], dropped["upcoming"]) == ("active", [])


async def test_who_resumes_a_schedule_has_the_calendar_hold_from_now_on() -> None:
    desk = Desk()
    await desk.put_calendar(working_days=["FRI"])
    schedule = await desk.created(timetable={**DAILY, "if_closed": "drop"})
    assert (await desk.stands(schedule)).next == NINE + 4 * DAY
    await desk.put_calendar(working_days=["TUE"])

    await desk.ask(desk.api.pause, schedule)
    await desk.ask(desk.api.resume, schedule)

    assert (await desk.stands(schedule)).next == NINE + DAY


async def test_a_run_by_hand_asks_no_calendar() -> None:
    desk = Desk()
    schedule = await desk.created()
    await desk.put_calendar(exceptions=["2026-06-01"])

    assert (await desk.ask(desk.api.run, schedule)).status == 202
    assert desk.house.heads == [occurrence_id(schedule=schedule, at=NINE - 3600)]


async def test_failing_storage_is_told() -> None:
    desk = Desk()
    desk.house.account.use_hook(fail_once(StorageUnavailable("away"), moment=Moment.BEFORE, verb="write"))

    assert (await desk.create()).status == 503
