"""The Bot Connector's answers, deciphered by a table of Microsoft's codes. What a delivery makes of one, others say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Any

import orjson

UNREADABLE = "UnreadableAnswer"


class Verdict(Enum):
    """What the Connector, or the way to it, said to a request."""

    ACCEPTED = auto()
    THROTTLED = auto()
    """Too many requests: not delivered, wait `retry_after`."""
    BUSY = auto()
    """Proven not delivered; the same request may work later."""
    FAILED_MAYBE = auto()
    """A gateway failed: the same request may work later, and it may have been delivered."""
    NOT_INSTALLED = auto()
    BLOCKED_BY_USER = auto()
    BLOCKED_BY_ADMIN = auto()
    CONVERSATION_GONE = auto()
    REJECTED = auto()
    TOO_LARGE = auto()
    SERVICE_ERROR = auto()
    UNAUTHORIZED = auto()
    """The token was refused, or the bot has no registration (code `BotNotRegistered`)."""
    WRONG_HOST = auto()
    """A tenant of the GCC cloud was addressed by the public host."""
    UNREACHABLE = auto()
    """No connection came about: proven not delivered. Made by the client."""
    ANSWER_LOST = auto()
    """The request may have been sent, and no answer came. Made by the client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A deciphered answer. `retry_after` is in seconds; ids are empty where the answer brought none."""

    kind: Verdict
    code: str = ""
    """Teams' own error code, the HTTP status where the body had none, or the name of the transport's error."""
    retry_after: float | None = None
    activity_id: str = ""
    conversation_id: str = ""
    found: Mapping[str, Any] = field(default_factory=dict)
    """What a read brought; empty for all else."""


# Each row is taken from "Status codes from bot conversational APIs" on
# https://learn.microsoft.com/microsoftteams/platform/bots/build-conversational-capability, and the retries from
# https://learn.microsoft.com/microsoftteams/platform/bots/how-to/rate-limit.
BY_CODE = {
    # The person has no personal installation of the app.
    (403, "forbiddenoperationexception"): Verdict.NOT_INSTALLED,
    # The bot is not in the conversation any more.
    (403, "botnotinconversationroster"): Verdict.NOT_INSTALLED,
    # The person blocked the bot, or a channel's moderation forbids it to speak.
    (403, "conversationblockedbyuser"): Verdict.BLOCKED_BY_USER,
    # The person blocked, muted or removed the bot (errorCode 209 with this subCode).
    (403, "messagewritesblocked"): Verdict.BLOCKED_BY_USER,
    # The same errorCode with an inner text that cannot be read: 209 has no other documented meaning.
    (403, "209"): Verdict.BLOCKED_BY_USER,
    # An admin's policy keeps the app from the person.
    (403, "botdisabledbyadmin"): Verdict.BLOCKED_BY_ADMIN,
    # A permission is missing, which an admin has to grant.
    (403, "notenoughpermissions"): Verdict.BLOCKED_BY_ADMIN,
    # The public host was called for a GCC tenant: send again to the GCC host.
    (403, "invalidbotapihost"): Verdict.WRONG_HOST,
    # The conversation does not exist: forget its id.
    (404, "conversationnotfound"): Verdict.CONVERSATION_GONE,
}
BY_STATUS = {
    # The token is not accepted, or the bot is not registered for Teams.
    401: Verdict.UNAUTHORIZED,
    # Two operations met in one conversation: nothing was done.
    412: Verdict.BUSY,
    # The message is over the limit of about 100 KB (code MessageSizeTooBig).
    413: Verdict.TOO_LARGE,
    # Too many requests: `Retry-After`, where given, is in seconds.
    429: Verdict.THROTTLED,
    # An internal error, documented as one not to retry.
    500: Verdict.SERVICE_ERROR,
    # A dependency failed behind the front door: it may have failed after the delivery.
    502: Verdict.FAILED_MAYBE,
    # The service took nothing on.
    503: Verdict.BUSY,
    # The answer came too late for the gateway: the delivery may have happened.
    504: Verdict.FAILED_MAYBE,
}


def decipher_send(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """Read the answer to a send, an update or a delete. `headers` find their names in any letter case."""
    if 200 <= status < 300:
        return Answer(kind=Verdict.ACCEPTED, activity_id=_text(_object(body), "id"))
    return _decipher_refusal(status, headers, body)


def decipher_create(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """Read the answer to the creation of a conversation, which may bring its first activity's id too."""
    if 200 <= status < 300:
        found = _object(body)
        return Answer(kind=Verdict.ACCEPTED, conversation_id=_text(found, "id"), activity_id=_text(found, "activityId"))
    return _decipher_refusal(status, headers, body)


def decipher_read(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """Read the answer to a read. A success without a JSON object is none: it would be taken for an empty list."""
    if status == 408:
        # The request did not come through in time (RFC 9110), which says nothing of what it asks about.
        return Answer(kind=Verdict.ANSWER_LOST, code=str(status), retry_after=_retry_after(headers))
    if not 200 <= status < 300:
        return _decipher_refusal(status, headers, body)
    found = _object(body)
    return Answer(kind=Verdict.ACCEPTED, found=found) if found else Answer(kind=Verdict.ANSWER_LOST, code=UNREADABLE)


def _decipher_refusal(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    code = _code_of(_object(body)) or str(status)
    # What is not in the tables is "Everything else: do not retry" on Microsoft's page, 5xx like 501 included.
    fallback = BY_STATUS.get(status, Verdict.SERVICE_ERROR if status >= 500 else Verdict.REJECTED)
    kind = BY_CODE.get((status, code.lower()), fallback)
    return Answer(kind=kind, code=code, retry_after=_retry_after(headers))


def _code_of(body: Mapping[str, Any]) -> str:
    """The error's code from `{"error": {"code"}}`, or from `{"errorCode", "message": "<JSON with subCode>"}`."""
    if isinstance(error := body.get("error"), dict):
        return _text(error, "code")
    if "errorCode" not in body:
        return ""
    inner = _object(_text(body, "message").encode())
    return _text(inner, "subCode") or str(body["errorCode"])


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait: a number, or an HTTP date measured against the answer's own `Date`, not against a clock."""
    given = headers.get("Retry-After", "").strip()
    if given.replace(".", "", 1).isdecimal():
        return float(given)
    until, now = _date(given), _date(headers.get("Date", ""))
    return max(0.0, (until - now).total_seconds()) if until and now else None


def _date(text: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return parsed if parsed.tzinfo else None


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""
