"""Graph's language: answers read the same alone and from a batch, and no link leads a token astray."""

import base64
import json
from typing import Any

import pytest

from shared.errors import ServiceHostRefused
from shared.graph.protocol import (
    DOCUMENTED_RATES,
    MOST_IN_BATCH,
    OWN_PACE,
    Kind,
    Request,
    Response,
    decipher,
    decipher_batch,
    encode_batch,
    held_back,
    most_at_once,
    next_page,
    odata_text,
    path_segment,
    sustained_rate,
    unanswered,
)

GRAPH = "https://graph.microsoft.com/v1.0"
USERS = Request(
    method="GET",
    path="/users?$select=id&$top=999",
    kind=Kind.DIRECTORY,
    headers={"ConsistencyLevel": "eventual"},
)
INSTALL = Request(method="POST", path="/users/a/teamwork/installedApps", kind=Kind.INSTALLS_WRITE, body=b'{"app":"b"}')
THROTTLED = json.loads(
    """{"error": {"code": "TooManyRequests", "message": "Too many requests. Please retry after the duration specified.",
        "innerError": {"date": "2026-05-28T20:26:40", "request-id": "94fb3b52-452a-4535-a601-69e0a90e3aa2",
        "client-request-id": "94fb3b52-452a-4535-a601-69e0a90e3aa2"}}}"""
)


def link(text: str) -> Response:
    """A page that names the next one."""
    return Response(status=200, body={"value": [], "@odata.nextLink": text})


def in_batch(*answers: dict[str, Any]) -> Response:
    """The answer to a batch."""
    return Response(status=200, body={"responses": list(answers)})


def test_an_error_is_read_from_its_envelope() -> None:
    response = decipher(429, {"Retry-After": "12"}, json.dumps(THROTTLED).encode())

    assert (response.status, response.code, response.retry_after) == (429, "TooManyRequests", 12.0)
    assert response.message.startswith("Too many requests.")


@pytest.mark.parametrize(
    "body",
    [
        b"",  # 201 and 204 have none.
        b"<html>Bad gateway</html>",  # A proxy on the way.
        b"[1]",  # JSON, but no object.
        b'{"error": "invalid"}',  # An error without an envelope.
        b'{"error": {"code": 7}}',  # A code that is no text.
    ],
)
def test_a_body_without_an_error_has_no_code(body: bytes) -> None:
    response = decipher(502, {}, body)

    assert (response.code, response.message, response.retry_after) == ("", "", None)


def test_a_success_that_cannot_be_read_is_no_answer() -> None:
    alone = decipher(200, {}, b'{"value": [')
    (part,) = decipher_batch(in_batch({"id": "0", "status": 200, "body": "PGh0bWw+"}), 1)

    assert (alone.status, alone.code) == (part.status, part.code) == (0, "UnreadableAnswer")
    assert decipher(204, {}, b"") == Response(status=204)


@pytest.mark.parametrize(
    "text",
    [
        b"1234",  # As documented.
        b"\xef\xbb\xbf1234",  # With the mark of a writer of UTF-8.
        b"1234\r\n",
    ],
)
def test_a_count_is_read_alone_and_from_a_batch(text: bytes) -> None:
    plain, encoded = text.decode(), base64.b64encode(text).decode()
    bodies: list[Any] = [plain, encoded, encoded.rstrip("="), 1234]

    parts = decipher_batch(
        in_batch(*({"id": str(place), "status": 200, "body": body} for place, body in enumerate(bodies))), len(bodies)
    )

    assert decipher(200, {}, text) == Response(status=200, number=1234)
    assert [part.number for part in parts] == [1234] * len(bodies)


@pytest.mark.parametrize("number", [0, 7, 10, 123, 999_999, 12_345_678])
def test_a_count_is_never_taken_for_the_same_in_base64(number: int) -> None:
    (part,) = decipher_batch(in_batch({"id": "0", "status": 200, "body": str(number)}), 1)

    assert part.number == number


@pytest.mark.parametrize("body", ["-3", "3.5", "many", "é", True, [1]])
def test_what_is_no_count_is_no_answer(body: Any) -> None:
    (part,) = decipher_batch(in_batch({"id": "0", "status": 200, "body": body}), 1)

    assert (part.status, part.number) == (0, None)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("12", 12.0),  # Seconds, as documented.
        ("0", 0.0),  # At once.
        ("", None),  # Nothing.
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),  # Not what Graph documents: the caller has a wait of its own.
        ("-3", None),  # Nonsense.
    ],
)
def test_retry_after_is_whole_seconds(given: str, seconds: float | None) -> None:
    assert decipher(429, {"Retry-After": given}, b"").retry_after == seconds


@pytest.mark.parametrize(
    ("status", "is_transient"),
    [
        (0, True),  # No answer came.
        (408, True),  # Too slow.
        (429, True),  # Too many.
        (500, True),  # Theirs.
        (503, True),  # Theirs.
        (504, True),  # Theirs, and perhaps done.
        (200, False),  # Done.
        (400, False),  # Ours.
        (401, False),  # Ours.
        (403, False),  # Decided.
        (404, False),  # Decided.
        (409, False),  # Decided.
    ],
)
def test_what_may_work_later_is_transient(status: int, is_transient: bool) -> None:
    assert Response(status=status).is_transient is is_transient


@pytest.mark.parametrize(
    ("status", "code", "refused"),
    [
        (401, "InvalidAuthenticationToken", True),  # Expired, or withdrawn.
        (401, "Unauthorized", False),  # Another reason, which a new token does not mend.
        (403, "InvalidAuthenticationToken", False),  # Not how it is told.
    ],
)
def test_a_refused_token_is_known(status: int, code: str, refused: bool) -> None:
    assert Response(status=status, body={"error": {"code": code}}).is_token_refused is refused


def test_what_was_never_sent_says_so() -> None:
    assert held_back(12.5).is_transient
    assert (held_back(12.5).status, held_back(12.5).code, held_back(12.5).retry_after) == (429, OWN_PACE, 12.5)
    assert (unanswered("TimeoutError").status, unanswered("TimeoutError").code) == (0, "TimeoutError")


def test_a_batch_holds_its_requests_in_order_with_ids_of_their_own() -> None:
    encoded = json.loads(encode_batch([USERS, INSTALL]))

    assert encoded == {
        "requests": [
            {"id": "0", "method": "GET", "url": USERS.path, "headers": {"ConsistencyLevel": "eventual"}},
            {
                "id": "1",
                "method": "POST",
                "url": INSTALL.path,
                "headers": {"Content-Type": "application/json"},
                "body": {"app": "b"},
            },
        ]
    }


def test_a_batch_of_more_than_twenty_is_refused_here() -> None:
    with pytest.raises(ValueError, match="at most 20"):
        encode_batch([USERS] * (MOST_IN_BATCH + 1))


def test_answers_of_a_batch_come_back_in_the_order_of_the_requests() -> None:
    answers = decipher_batch(
        in_batch(
            {"id": "2", "status": 201, "headers": {}, "body": None},
            {"id": "1", "status": 429, "headers": {"Retry-After": "10"}, "body": THROTTLED},
            {"id": "0", "status": 200, "headers": {"Content-Type": "application/json"}, "body": {"value": []}},
        ),
        3,
    )

    assert [answer.status for answer in answers] == [200, 429, 201]
    assert (answers[1].code, answers[1].retry_after) == ("TooManyRequests", 10.0)


def test_a_part_without_an_answer_was_not_answered() -> None:
    answers = decipher_batch(in_batch({"id": "0", "status": 204}, {"id": "7", "status": 204}, {"id": "1"}), 2)

    assert [(answer.status, answer.code) for answer in answers] == [(204, ""), (0, "MissingPart")]


@pytest.mark.parametrize("outer", [Response(status=503, retry_after=4.0), unanswered("TimeoutError"), held_back(12.0)])
def test_a_batch_that_failed_answers_for_all_of_its_parts(outer: Response) -> None:
    assert decipher_batch(outer, 3) == [outer] * 3


def test_an_answer_without_parts_answers_nothing() -> None:
    assert [answer.status for answer in decipher_batch(Response(status=200, body={"responses": 1}), 2)] == [0, 0]


def test_the_next_page_is_asked_for_as_the_link_says_to_the_letter() -> None:
    query = "$select=id&$top=999&$skiptoken=RFNwdAIAAQ%2b%2f''~:=@x"

    request = next_page(USERS, link(f"{GRAPH}/users?{query}"), graph_url=GRAPH)

    assert request == Request(method="GET", path=f"/users?{query}", kind=Kind.DIRECTORY, headers=USERS.headers)


def test_the_last_page_has_no_next() -> None:
    assert next_page(USERS, Response(status=200, body={"value": []}), graph_url=GRAPH) is None
    assert next_page(USERS, link(""), graph_url=GRAPH) is None


@pytest.mark.parametrize(
    "text",
    [
        "https://graph.microsoft.com.evil.test/v1.0/users",  # A host that begins like ours.
        "https://graph.microsoft.com@evil.test/v1.0/users",  # Ours as the user's name.
        "https://evil.test/https://graph.microsoft.com/v1.0/users",  # Ours in the path.
        "http://graph.microsoft.com/v1.0/users",  # In the clear.
        "https://graph.microsoft.com:8443/v1.0/users",  # Another port.
        "https://graph.microsoft.com/beta/users",  # Another version than the one that is configured.
        "https://graph.microsoft.us/v1.0/users",  # Another cloud.
        "//graph.microsoft.com/v1.0/users",  # No scheme.
        "/v1.0/users",  # No host.
        "https://graph.microsoft.com/v1.0/users\r\nX: y",  # A header in it.
    ],
)
def test_a_link_to_anywhere_else_is_refused(text: str) -> None:
    with pytest.raises(ServiceHostRefused):
        next_page(USERS, link(text), graph_url=GRAPH)


def test_the_configured_graph_may_be_another_one() -> None:
    request = next_page(USERS, link("https://127.0.0.1:8443/v1.0/users?a"), graph_url="https://127.0.0.1:8443/v1.0")

    assert request is not None
    assert request.path == "/users?a"


@pytest.mark.parametrize(
    ("identifier", "segment"),
    [
        ("19:abc@thread.v2", "19%3Aabc%40thread.v2"),  # A chat's id.
        ("a/../b", "a%2F..%2Fb"),  # No path of its own.
        ("100%?#", "100%25%3F%23"),  # Nor a query.
    ],
)
def test_an_id_is_one_segment(identifier: str, segment: str) -> None:
    assert path_segment(identifier) == segment


@pytest.mark.parametrize("identifier", ["", ".", "..", "a\nb", "a\x00"])
def test_what_could_lead_elsewhere_is_no_id(identifier: str) -> None:
    with pytest.raises(ValueError, match="is not an id"):
        path_segment(identifier)


def test_a_text_in_a_filter_cannot_end_itself() -> None:
    assert odata_text("a' or 'b") == "%27a%27%27%20or%20%27%27b%27"


@pytest.mark.parametrize("kind", Kind)
def test_each_kind_stays_below_its_sustained_limit(kind: Kind) -> None:
    assert sustained_rate(kind) == pytest.approx(0.83 * DOCUMENTED_RATES[kind])


@pytest.mark.parametrize("kind", Kind)
def test_batches_that_follow_each_other_keep_within_each_second(kind: Kind) -> None:
    size, rate = most_at_once(kind), sustained_rate(kind)
    leave_at = [number * size / rate for number in range(20)]

    most = max(sum(size for at in leave_at if start <= at < start + 1) for start in leave_at)

    assert 1 <= size <= MOST_IN_BATCH
    assert most <= DOCUMENTED_RATES[kind]
