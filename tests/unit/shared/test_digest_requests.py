"""A schedule whose message is a digest is read, or everything that is wrong with it is named."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.domain.audience import Audience
from shared.domain.broadcasts import DeliveryMode, Priority
from shared.domain.letters import Sheet, unpack_sheet
from shared.errors import InvalidRequest
from shared.schedule_requests import occurrence_request, read_schedule
from tests.twins.accepting import ALICE, NOON, TENANT
from tests.twins.scheduling import a_schedule

DIGEST = {"name": "daily", "heading": "Your day"}


def a_document(**changes: Any) -> dict[str, Any]:
    document = {"version": 1, "timetable": {"cron": "0 9 * * *", "zone": "Europe/Berlin"}, "digest": DIGEST}
    return {name: value for name, value in {**document, **changes}.items() if value is not None}


def faults_of(**changes: Any) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        read_schedule(a_document(**changes), tenants=[TENANT], now=datetime.fromtimestamp(NOON, UTC))
    return {fault.pointer: fault.detail for fault in caught.value.faults}


def test_a_digest_stands_in_the_place_of_audience_and_content() -> None:
    options = {"priority": "urgent", "delivery": "at_most_once", "expires_after": "PT2H"}
    read = read_schedule(a_document(options=options), tenants=[TENANT], now=datetime.fromtimestamp(NOON, UTC))

    assert read.request_document == {"digest": DIGEST, "options": options}
    request = occurrence_request(a_schedule(request=read.request_document), NOON, tenants=[TENANT], takes_names=False)
    assert (request.digest, request.audience) == ("daily", Audience())
    assert unpack_sheet(request.content.encoded or b"") == Sheet(heading="Your day")
    assert (request.priority, request.delivery) == (Priority.URGENT, DeliveryMode.AT_MOST_ONCE)
    assert request.expires_after == timedelta(hours=2)


@pytest.mark.parametrize(
    ("changes", "pointer", "word"),
    [
        ({"digest": {"name": "Daily News", "heading": "Your day"}}, "/digest/name", "small letters"),
        ({"digest": {"name": "daily"}}, "/digest/heading", "missing"),
        ({"digest": {"name": "daily", "heading": "  "}}, "/digest/heading", "empty"),
        ({"digest": {"name": "daily", "heading": "x" * 101}}, "/digest/heading", "100"),
        ({"audience": {"users": [ALICE]}}, "/audience", "items say whom"),
        ({"content": {"text": "Hello"}}, "/content", "items say what"),
        ({"options": {"mode": "sandbox"}}, "/options/mode", "take the digest's items"),
        ({"options": {"mode": "test", "test_user": ALICE}}, "/options/mode", "take the digest's items"),
        ({"options": {"ramp": {"people": 5, "wait": "PT1H"}}}, "/options/ramp", "words of their own"),
        ({"options": {"expires_after": "P1Y"}}, "/options/expires_after", "duration"),
    ],
)
def test_what_a_digest_cannot_be_is_told(changes: dict[str, Any], pointer: str, word: str) -> None:
    faults = faults_of(**changes)

    assert set(faults) == {pointer}
    assert word in faults[pointer]
