"""A schedule is read, or everything that is wrong with it is named."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from shared.domain.ids import occurrence_id, occurrence_key
from shared.domain.opening_times import EVERY_DAY, IfClosed, QuietHours
from shared.domain.own_clocks import OwnClock
from shared.domain.schedules import IfMissed, Timetable, next_after
from shared.errors import InvalidRequest
from shared.schedule_requests import occurrence_request, read_schedule, timetable_of
from tests.twins.accepting import ALICE, NOON, TENANT
from tests.twins.scheduling import a_schedule

NOW = datetime.fromtimestamp(NOON, UTC)
PLAIN = {"cron": "0 9 * * MON-FRI", "zone": "Europe/Berlin"}


def a_schedule_document(**changes: Any) -> dict[str, Any]:
    document = {
        "version": 1,
        "timetable": PLAIN,
        "audience": {"users": [ALICE]},
        "content": {"text": "Good morning"},
    }
    return {name: value for name, value in {**document, **changes}.items() if value is not None}


def faults_of(document: Mapping[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        read_schedule(document, tenants=[TENANT], now=NOW)
    return {fault.pointer: fault.detail for fault in caught.value.faults}


def test_a_plain_schedule_is_read() -> None:
    read = read_schedule(a_schedule_document(name="Morning"), tenants=[TENANT], now=NOW)

    assert (read.tenant, read.key, read.name) == (TENANT, "", "Morning")
    assert read.timetable.cron == "0 9 * * MON-FRI"
    assert read.timetable.zone == ZoneInfo("Europe/Berlin")
    assert read.timetable_document == PLAIN
    assert read.request_document == {"audience": {"users": [ALICE]}, "content": {"text": "Good morning"}}


def test_every_field_of_a_timetable_is_read() -> None:
    document = {
        **PLAIN,
        "starts_at": "2026-09-01T00:00:00+02:00",
        "ends_at": "2027-08-31T22:00:00Z",
        "exceptions": ["2026-12-24", "2026-12-31"],
        "quiet_hours": {"from": "22:00", "to": "07:30"},
        "working_days": ["MON", "WED"],
        "if_closed": "drop",
        "if_missed": "run_all",
    }

    timetable = timetable_of(a_schedule(timetable=document))

    assert timetable == Timetable(
        cron="0 9 * * MON-FRI",
        zone=timetable.zone,
        starts_at=datetime(2026, 8, 31, 22, tzinfo=UTC),
        ends_at=datetime(2027, 8, 31, 22, tzinfo=UTC),
        exceptions=frozenset({date(2026, 12, 24), date(2026, 12, 31)}),
        quiet_hours=QuietHours(begins=time(22), ends=time(7, 30)),
        working_days=frozenset({0, 2}),
        if_closed=IfClosed.DROP,
        if_missed=IfMissed.RUN_ALL,
    )


def test_null_is_absent() -> None:
    names = ("starts_at", "ends_at", "exceptions", "quiet_hours", "working_days", "if_closed", "if_missed")

    timetable = timetable_of(a_schedule(timetable={**PLAIN, **dict.fromkeys(names)}))

    assert (timetable.if_closed, timetable.if_missed) == (IfClosed.WAIT, IfMissed.RUN_ONCE)
    assert timetable.working_days == EVERY_DAY


@pytest.mark.parametrize(
    ("changes", "pointer", "words"),
    [
        ({"cron": "0 25 * * *"}, "/timetable/cron", "hour '25' cannot be read: 0 to 23"),
        ({"cron": "0 9 30 2 *"}, "/timetable/cron", "never comes"),
        ({"zone": "Europe/Berlni"}, "/timetable/zone", "did you mean Europe/Berlin"),
        ({"starts_at": "2026-09-01T00:00:00"}, "/timetable/starts_at", "an instant with its offset"),
        ({"default_zone": "Europe/Paris"}, "/timetable/default_zone", "recipient"),
        (
            {"zone": "recipient", "default_zone": "Europe/Paris", "ends_at": "2027-09-01T00:00Z"},
            "/timetable/ends_at",
            "a local time without an offset",
        ),
        ({"zone": "recipient", "default_zone": "Paris"}, "/timetable/default_zone", "Europe/Paris"),
        ({"starts_at": "tomorrow"}, "/timetable/starts_at", "such as 2026-06-01T00:00+02:00"),
        ({"starts_at": "9999-09-01T00:00:00Z"}, "/timetable/starts_at", "between the years 2000 and 2200"),
        ({"exceptions": ["2026-02-30"]}, "/timetable/exceptions/0", "a date of the calendar, such as"),
        ({"exceptions": ["20260201"]}, "/timetable/exceptions/0", "such as 2026-12-24"),
        ({"quiet_hours": {"from": "24:00", "to": "07:00"}}, "/timetable/quiet_hours/from", "from 00:00 to 23:59"),
        ({"quiet_hours": {"from": "22:00"}}, "/timetable/quiet_hours/to", "missing"),
        ({"quiet_hours": {"from": "22:00", "to": "22:00"}}, "/timetable/quiet_hours", "all day would be quiet"),
        ({"working_days": []}, "/timetable/working_days", "no day is left"),
        ({"working_days": ["Monday"]}, "/timetable/working_days/0", '"MON"'),
        ({"if_missed": "never"}, "/timetable/if_missed", '"run_once", "skip" or "run_all"'),
        ({"every": "day"}, "/timetable/every", "there is no such field; the fields here are exceptions, quiet_hours"),
        ({"ends_at": "2020-01-01T00:00:00Z"}, "/timetable/ends_at", "past"),
    ],
)
def test_what_is_wrong_with_a_timetable_is_told(changes: Mapping[str, Any], pointer: str, words: str) -> None:
    faults = faults_of(a_schedule_document(timetable={**PLAIN, **changes}))

    assert list(faults) == [pointer]
    assert words in faults[pointer]


def test_everything_is_told_at_once() -> None:
    document = a_schedule_document(
        version=2,
        tenant="00000000-0000-0000-0000-000000000000",
        timetable={"cron": "x", "zone": "y"},
        audience={},
        content={"text": " "},
        options={"priority": "high"},
        nmae="Morning",
    )

    assert set(faults_of(document)) == {
        *("/version", "/tenant", "/timetable/cron", "/timetable/zone", "/audience", "/content/text"),
        *("/options/priority", "/nmae"),
    }


def test_a_request_that_no_row_would_take_is_told() -> None:
    padded = a_schedule_document(audience={"users": [ALICE + " " * 700_000]})

    faults = faults_of(padded)

    assert list(faults) == [""]
    assert "655,360 are allowed" in faults[""]


def test_a_document_without_anything_is_told_what_it_needs() -> None:
    assert set(faults_of({})) == {"/version", "/timetable", "/audience", "/content"}


def test_the_example_of_the_page_is_right() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "schedules.md").read_text(encoding="utf-8")
    found = re.search(r"-d '(\{.*?\n\})'", page, re.DOTALL)
    assert found is not None

    read = read_schedule(orjson.loads(found[1]), tenants=[TENANT], now=NOW)

    assert (read.key, read.timetable.cron) == ("timesheets", "0 15 * * FRI")


def test_an_occurrence_asks_for_what_the_author_wrote() -> None:
    schedule = a_schedule(
        request={
            "audience": {"users": [ALICE]},
            "content": {"text": "Good morning"},
            "options": {"expires_after": "PT4H"},
        }
    )

    request = occurrence_request(schedule, NOON, tenants=[TENANT], takes_names=False)

    assert request.tenant == TENANT
    assert request.key == occurrence_key(schedule=schedule.id, at=NOON)
    assert request.broadcast_id == occurrence_id(schedule=schedule.id, at=NOON)
    assert request.content.text == "Good morning"
    assert request.expires_after is not None


def test_an_occurrence_of_a_tenant_that_is_served_no_more_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="does not serve"):
        occurrence_request(a_schedule(), NOON, tenants=["another"], takes_names=False)


def test_a_schedule_on_each_recipients_own_clock_makes_requests_with_a_local_time() -> None:
    given = {"cron": "0 9 * * *", "zone": "recipient", "default_zone": "Europe/Paris", "starts_at": "2027-01-01T09:00"}
    read = read_schedule(a_schedule_document(timetable=given), tenants=[TENANT], now=NOW)
    schedule = a_schedule(timetable=given)
    due = next_after(read.timetable, NOW)
    assert due is not None

    request = occurrence_request(schedule, due.timestamp(), tenants=[TENANT], takes_names=False)
    by_hand = occurrence_request(schedule, due.timestamp(), tenants=[TENANT], takes_names=False, at_once=True)

    assert due == datetime(2026, 12, 31, 17, tzinfo=UTC)
    assert request.own_clock == OwnClock(at=datetime.fromisoformat("2027-01-01T09:00"), default_zone="Europe/Paris")
    assert by_hand.own_clock is None


def test_what_does_not_go_with_each_recipients_own_clock_is_told() -> None:
    timetable = {"cron": "0 9 * * *", "zone": "recipient"}
    ramp = {"ramp": {"people": 5, "wait": "PT1H"}}

    assert set(faults_of(a_schedule_document(timetable=timetable))) == {"/timetable/default_zone"}
    timetable["default_zone"] = "Europe/Paris"
    assert set(faults_of(a_schedule_document(timetable=timetable, options=ramp))) == {"/options/ramp"}
    assert set(faults_of(a_schedule_document(timetable=timetable, options={"mode": "dry_run"}))) == {"/options/mode"}
    read_schedule(a_schedule_document(timetable=timetable), tenants=[TENANT], now=NOW)


def test_the_apps_zone_stands_in_for_recipients_whose_own_is_not_known() -> None:
    document = a_schedule_document(timetable={"cron": "0 9 * * *", "zone": "recipient"})

    read = read_schedule(document, tenants=[TENANT], now=NOW, default_zone="Asia/Tokyo")

    assert read.timetable.default_zone == ""
