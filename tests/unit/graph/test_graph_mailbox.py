"""Time zones of mailboxes: the request, what an answer tells, and what is made of many answers."""

import json
import logging
from collections.abc import Callable, Sequence

import pytest

from shared.errors import DirectoryUnavailable, TokenUnavailable
from shared.graph.kinds import Kind
from shared.graph.mailbox import ask_zone, is_refused, zone_in
from shared.graph.mailbox_zones import BATCH, BATCHES_AT_ONCE, MailboxZones
from shared.graph.protocol import Request, Response
from tests.twins.directory import MemoryDirectory
from tests.twins.graph import refusal
from tests.twins.loop import run_virtually
from tests.twins.world import object_id

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
PEOPLE = [object_id(number) for number in range(200)]
AT_ONCE = BATCH * BATCHES_AT_ONCE
BERLIN = "W. Europe Standard Time"
BUSY = refusal(429, "ApplicationThrottled", "Application is over its limit.", retry_after=7.0)
MOVING = refusal(503, "ErrorMailboxMoveInProgress")
DENIED = refusal(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")


def test_the_zone_alone_is_asked_for() -> None:
    request = ask_zone(PEOPLE[0])

    assert (request.method, request.path) == ("GET", f"/users/{PEOPLE[0]}/mailboxSettings/timeZone")
    assert request.kind is Kind.MAILBOX


@pytest.mark.parametrize(
    ("response", "zone", "refused"),
    [
        # A Windows name, as it is by default.
        (Response(status=200, body={"@odata.context": "...", "value": BERLIN}), "Europe/Berlin", False),
        # An IANA name, where an admin has set zones up so.
        (Response(status=200, body={"value": "Europe/Rome"}), "Europe/Rome", False),
        # A zone that somebody made.
        (Response(status=200, body={"value": "Customized Time Zone"}), None, False),
        # A mailbox whose owner never chose one.
        (Response(status=200, body={"value": None}), None, False),
        (Response(status=204), None, False),
        # No mailbox, or one that is not in Exchange Online.
        (refusal(404, "MailboxNotEnabledForRESTAPI"), None, False),
        # No such person.
        (refusal(404, "ErrorInvalidUser"), None, False),
        # The permission is missing, or Exchange limits the app.
        (DENIED, None, True),
        # The credentials.
        (refusal(401, "InvalidAuthenticationToken"), None, True),
        # A request that Graph calls wrong.
        (refusal(400, "BadRequest"), None, True),
        # Too many requests, a failure, no answer.
        (BUSY, None, False),
        (MOVING, None, False),
        (Response(status=0), None, False),
    ],
)
def test_an_answer_tells_a_zone_or_that_it_was_refused(response: Response, zone: str | None, refused: bool) -> None:
    assert (zone_in(response), is_refused(response)) == (zone, refused)


def a_graph(rule: Callable[[Request, str], Response | None] | None = None) -> MemoryDirectory:
    """A Graph in which everybody has a mailbox in Berlin."""
    graph = MemoryDirectory()
    graph.mailbox_zones = dict.fromkeys(PEOPLE, BERLIN)
    graph.rule = rule
    return graph


def zones_of(graph: MemoryDirectory, people: Sequence[str] = PEOPLE) -> dict[str, str]:
    return run_virtually(MailboxZones(graph).zones(TENANT, people))


def test_who_has_no_mailbox_or_no_known_zone_is_left_out() -> None:
    graph = a_graph()
    graph.mailbox_zones[PEOPLE[1]] = "tzone://Microsoft/Custom"
    graph.mailbox_zones[PEOPLE[2]] = "Tokyo Standard Time"
    del graph.mailbox_zones[PEOPLE[3]]

    assert zones_of(graph, PEOPLE[:4]) == {PEOPLE[0]: "Europe/Berlin", PEOPLE[2]: "Asia/Tokyo"}
    assert graph.requests["GET mailboxSettings"] == 4


def test_nobody_is_no_request() -> None:
    graph = a_graph()

    assert zones_of(graph, []) == {}
    assert graph.requests.total() == 0


def test_who_is_not_answered_is_asked_once_more() -> None:
    asked = set[str]()

    def first_time(_: Request, person: str) -> Response | None:
        is_new = person not in asked
        asked.add(person)
        return BUSY if is_new and person in PEOPLE[::3] else None

    graph = a_graph(first_time)

    assert len(zones_of(graph)) == len(PEOPLE)
    assert graph.requests["GET mailboxSettings"] == len(PEOPLE) + len(PEOPLE[::3])


def test_mailboxes_that_fail_hold_up_nobody_else() -> None:
    graph = a_graph(lambda _, person: MOVING if person in PEOPLE[:3] else None)

    assert zones_of(graph) == dict.fromkeys(PEOPLE[3:], "Europe/Berlin")


@pytest.mark.parametrize(
    ("answer", "people"),
    [
        (BUSY, PEOPLE[5:6]),  # Whoever throttles does not mean a mailbox.
        (MOVING, PEOPLE[:101]),  # More than half fail.
        (Response(status=0), PEOPLE),  # Nobody is answered.
    ],
)
def test_a_graph_that_is_away_is_told(answer: Response, people: Sequence[str]) -> None:
    graph = a_graph(lambda _, person: answer if person in people else None)

    with pytest.raises(DirectoryUnavailable) as caught:
        zones_of(graph)

    assert caught.value.retry_after == answer.retry_after
    assert graph.forgotten == 0


def test_a_token_that_cannot_be_had_now_is_waited_for() -> None:
    class Tokenless(MemoryDirectory):
        async def send_all(self, tenant: str, requests: Sequence[Request]) -> list[Response]:
            raise TokenUnavailable(f"{tenant}: {len(requests)}")

    with pytest.raises(DirectoryUnavailable, match="TokenUnavailable"):
        zones_of(Tokenless())


def events(caplog: pytest.LogCaptureFixture) -> list[dict[str, str]]:
    told = [record.getMessage().partition(" ") for record in caplog.records]
    return [json.loads(fields) for name, _, fields in told if name == "mailbox_zones_refused"]


def test_missing_consent_is_told_once_and_only_the_first_are_asked(caplog: pytest.LogCaptureFixture) -> None:
    graph = a_graph(lambda *_: DENIED)
    zones = MailboxZones(graph)

    with caplog.at_level(logging.WARNING):
        refused = [run_virtually(zones.zones(TENANT, PEOPLE)) for _ in range(3)]
    graph.rule = None
    given = run_virtually(zones.zones(TENANT, PEOPLE))

    assert refused == [{}] * 3
    assert graph.requests["GET mailboxSettings"] == 3 * AT_ONCE + len(PEOPLE)
    assert events(caplog) == [{"tenant": TENANT, "cause": "403 ErrorAccessDenied"}]
    assert (graph.forgotten, len(given)) == (3, len(PEOPLE))


def test_mailboxes_that_are_closed_to_the_app_keep_no_others_from_being_told(caplog: pytest.LogCaptureFixture) -> None:
    graph = a_graph(lambda _, person: DENIED if person in PEOPLE[1:AT_ONCE] else None)

    with caplog.at_level(logging.WARNING):
        zones = zones_of(graph)

    assert zones.keys() == {PEOPLE[0], *PEOPLE[AT_ONCE:]}
    assert (len(events(caplog)), graph.forgotten) == (1, 0)


def test_refused_credentials_leave_everybody_untold(caplog: pytest.LogCaptureFixture) -> None:
    graph = a_graph()
    graph.refuses_tokens = True

    with caplog.at_level(logging.WARNING):
        assert zones_of(graph) == {}

    assert events(caplog) == [{"tenant": TENANT, "cause": "TokenRefused"}]
