"""Microsoft Graph's language, all of it pure: what a request and an answer are, alone and as parts of a JSON batch.

Who sends the bytes is `shared/graph/client.py`; what single requests ask for stands in modules of their own, such as
`installs.py`. Sources: https://learn.microsoft.com/graph/json-batching, https://learn.microsoft.com/graph/paging,
https://learn.microsoft.com/graph/errors and https://learn.microsoft.com/graph/throttling.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlsplit

import orjson

from shared.errors import ServiceHostRefused
from shared.graph.kinds import DOCUMENTED_RATES, MOST_IN_BATCH, SUSTAINED_SHARE, Kind, most_at_once, sustained_rate
from shared.graph.numbers import number_in, number_in_part

__all__ = [
    "DOCUMENTED_RATES",
    "MOST_IN_BATCH",
    "OWN_PACE",
    "SUSTAINED_SHARE",
    "Kind",
    "Request",
    "Response",
    "decipher",
    "decipher_batch",
    "encode_batch",
    "held_back",
    "most_at_once",
    "next_page",
    "objects_in",
    "odata_text",
    "path_segment",
    "sustained_rate",
    "text_in",
    "unanswered",
    "values_in",
]

OWN_PACE = "HeraldPace"
"""The code of the 429 that Herald gives itself, where the next free slot is too far away to be waited for."""
UNREADABLE = "UnreadableAnswer"
NEXT_LINK = "@odata.nextLink"
NOTHING: Mapping[str, str] = MappingProxyType({})
TRANSIENT = frozenset({0, 408, 429})
"""Statuses below 500 after which the same request may work later; 0 is "no answer came"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call. `path` is below `/v1.0` and begins with a slash, with its query, percent-encoded already.

    `body` is JSON or empty. `headers` are further ones, such as `ConsistencyLevel: eventual`.
    """

    method: str
    path: str
    kind: Kind
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One answer, alone or from a batch. `status` is 0 where none came; `retry_after` is in seconds."""

    status: int
    body: Mapping[str, Any] = field(default_factory=dict)
    retry_after: float | None = None
    number: int | None = None
    """What `$count` answers in the place of a JSON object."""

    @property
    def is_success(self) -> bool:
        """Whether Graph did what was asked."""
        return 200 <= self.status < 300

    @property
    def is_transient(self) -> bool:
        """Whether the same request may work later. A write that was answered with 0 or 5xx may have been done."""
        return self.status in TRANSIENT or self.status >= 500

    @property
    def is_token_refused(self) -> bool:
        """Whether the token was refused before anything else was looked at, so that nothing was done."""
        return self.status == 401 and self.code == "InvalidAuthenticationToken"

    @property
    def code(self) -> str:
        """The error's code; empty where the answer is no error or names none."""
        return text_in(self._error, "code")

    @property
    def message(self) -> str:
        """The error's message, in English, for deciphering alone: it may hold ids and is never logged."""
        return text_in(self._error, "message")

    @property
    def _error(self) -> Mapping[str, Any]:
        error = self.body.get("error")
        return error if isinstance(error, Mapping) else {}


def decipher(status: int, headers: Mapping[str, str], body: bytes) -> Response:
    """Read an answer. `headers` find their names in any letter case; a body that is no JSON object reads as empty.

    A success whose body cannot be read counts as unanswered: an empty page would be taken for "there is nothing".
    """
    found, number = _object(body), number_in(body)
    if 200 <= status < 300 and body and found is None and number is None:
        return unanswered(UNREADABLE)
    retry_after = _seconds(headers.get("Retry-After", ""))
    return Response(status=status, body=found or {}, retry_after=retry_after, number=number)


def unanswered(code: str) -> Response:
    """The answer to a request that none came for; `code` names the error, such as a transport's exception."""
    return Response(status=0, body={"error": {"code": code}})


def held_back(wait: float) -> Response:
    """The answer to a request that was not sent, because its slot is `wait` seconds away: come again then."""
    error = {"code": OWN_PACE, "message": "The next free slot is too far away to be waited for; nothing was sent."}
    return Response(status=429, body={"error": error}, retry_after=wait)


def encode_batch(requests: Sequence[Request]) -> bytes:
    """Encode up to 20 requests as the body of `POST /$batch`. Their ids are their places; Graph may run them at once.

    Raises ValueError for more: Graph refuses such a batch as a whole.
    """
    if len(requests) > MOST_IN_BATCH:
        raise ValueError(f"a batch has at most {MOST_IN_BATCH} requests, not {len(requests)}")
    return orjson.dumps({"requests": [_part(place, request) for place, request in enumerate(requests)]})


def _part(place: int, request: Request) -> dict[str, Any]:
    part: dict[str, Any] = {"id": str(place), "method": request.method, "url": request.path}
    headers = dict(request.headers)
    if request.body:
        # A part with a body is refused without its type.
        headers["Content-Type"] = "application/json"
        part["body"] = orjson.Fragment(request.body)
    return part | {"headers": headers} if headers else part


def decipher_batch(outer: Response, parts: int) -> list[Response]:
    """The answers to the `parts` of a batch, in the order of the requests: Graph sends them in any order.

    A batch that failed as a whole answers for each of its parts; a part that is not in the answer was not answered.
    """
    if not outer.is_success:
        return [outer] * parts
    found: dict[str, Response] = {}
    answers = outer.body.get("responses")
    for answer in answers if isinstance(answers, list) else []:
        if isinstance(answer, Mapping) and isinstance(answer.get("status"), int):
            found[str(answer.get("id"))] = _part_answer(answer)
    return [found.get(str(place), unanswered("MissingPart")) for place in range(parts)]


def _part_answer(answer: Mapping[str, Any]) -> Response:
    status, body, headers = answer["status"], answer.get("body"), answer.get("headers")
    number = number_in_part(body)
    if 200 <= status < 300 and body and not isinstance(body, Mapping) and number is None:
        return unanswered(UNREADABLE)
    given = {str(name).lower(): value for name, value in headers.items()} if isinstance(headers, Mapping) else {}
    return Response(
        status=status,
        body=body if isinstance(body, Mapping) else {},
        retry_after=_seconds(str(given.get("retry-after", ""))),
        number=number,
    )


def next_page(request: Request, response: Response, *, graph_url: str) -> Request | None:
    """The request for the page after this one, with the link as Graph gave it; None after the last page.

    `graph_url` is the configured Graph with its version. The token goes nowhere else: a link that leads to another
    host raises ServiceHostRefused. The headers of the first request are sent with each page.
    """
    link = response.body.get(NEXT_LINK)
    if not isinstance(link, str) or not link:
        return None
    return replace(request, method="GET", path=_path_of(link, graph_url), body=b"")


def _path_of(link: str, graph_url: str) -> str:
    ours, theirs = urlsplit(graph_url), urlsplit(link)
    base = f"{ours.path.rstrip('/')}/"
    same_host = (theirs.scheme, theirs.netloc.lower()) == (ours.scheme, ours.netloc.lower())
    if not same_host or not theirs.path.startswith(base) or not link.isprintable():
        raise ServiceHostRefused(f"the next page is not below {graph_url} but at {theirs.scheme}://{theirs.hostname}")
    # The rest of the link is kept to the letter: Graph's skip tokens must come back as they were given.
    place = len(theirs.scheme) + len("://") + len(theirs.netloc) + len(base) - 1
    return link[place:]


def values_in(response: Response) -> list[Mapping[str, Any]]:
    """The objects of an answer that is a list."""
    return objects_in(response.body.get("value"))


def objects_in(values: object) -> list[Mapping[str, Any]]:
    """The objects among some values; none where these are no list."""
    return [each for each in values if isinstance(each, Mapping)] if isinstance(values, list) else []


def text_in(found: Mapping[str, Any], name: str) -> str:
    """A member that is a text; empty where it is missing, or something else."""
    value = found.get(name)
    return value if isinstance(value, str) else ""


def path_segment(identifier: str) -> str:
    """Percent-encode an id as one segment of a path. Raises ValueError for what could lead to another path."""
    if identifier in ("", ".", "..") or not identifier.isprintable():
        raise ValueError(f"{identifier!r} is not an id")
    return quote(identifier, safe="")


def odata_text(value: str) -> str:
    """A string literal for `$filter`: quoted, with its own quotes doubled, percent-encoded for a query.

    Source: https://learn.microsoft.com/graph/query-parameters#escaping-single-quotes.
    """
    doubled = value.replace("'", "''")
    return quote(f"'{doubled}'", safe="")


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _seconds(text: str) -> float | None:
    """Graph gives whole seconds; whatever else stands there is no number to wait by."""
    return float(text) if text.strip().isdecimal() else None
