"""Problems as RFC 9457 has them: what was wrong, where, and what would be right, as `application/problem+json`."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson

from messages.answers import Answer
from shared.errors import (
    BroadcastNotFound,
    Fault,
    HeraldError,
    InvalidRequest,
    KeyReused,
    ReceiptReused,
    ScheduleNotFound,
    SettingsError,
    StorageUnavailable,
)

RETRY_SECONDS = 5


class Problem(HeraldError):
    """The caller of the HTTP API gets this as the answer. `kind` is the last part of the problem's type."""

    def __init__(
        self,
        status: HTTPStatus,
        kind: str,
        title: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = dict(headers or {})
        self.document: dict[str, Any] = {
            "type": f"urn:herald:problem:{kind}",
            "title": title,
            "status": int(status),
            "detail": detail,
            **({"errors": list(errors)} if errors else {}),
            **more,
        }

    @property
    def answer(self) -> Answer:
        """The answer to give."""
        headers = {"Content-Type": "application/problem+json", **self.headers}
        return Answer(status=int(self.status), headers=headers, body=orjson.dumps(self.document))


def malformed(error: InvalidRequest) -> Problem:
    """The body is not a JSON object."""
    detail = error.faults[0].detail
    return Problem(
        HTTPStatus.BAD_REQUEST,
        "malformed-body",
        "The body is not a JSON object",
        detail,
        errors=_at_pointers(error.faults),
    )


def too_large(*, size: int, limit: int) -> Problem:
    """The body has more bytes than any right request."""
    detail = f"the body has {size:,} bytes, {limit:,} are allowed"
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body-too-large", "The body is too large", detail)


def bad_query(faults: Mapping[str, str]) -> Problem:
    """Query parameters are wrong: what would be right, by their names."""
    return Problem(
        HTTPStatus.BAD_REQUEST,
        "invalid-query",
        "The query is not right",
        "; ".join(f"{name}: {detail}" for name, detail in faults.items()),
        errors=[{"parameter": name, "detail": detail} for name, detail in faults.items()],
    )


def already_ended(broadcast_id: str, state: str) -> Problem:
    """Nothing of a broadcast can be changed any more."""
    detail = f"broadcast {broadcast_id} is {state}: nothing is left to change"
    return Problem(
        HTTPStatus.CONFLICT, "broadcast-ended", "The broadcast has ended", detail, broadcast=broadcast_id, state=state
    )


def already_recalled(broadcast_id: str) -> Problem:
    """What was taken back cannot be revised."""
    detail = f"broadcast {broadcast_id} was recalled: nothing is left to change"
    return Problem(
        HTTPStatus.CONFLICT, "broadcast-recalled", "The broadcast was recalled", detail, broadcast=broadcast_id
    )


def says_nothing(broadcast_id: str) -> Problem:
    """It sees to the app alone, so there are no words to change."""
    detail = f"broadcast {broadcast_id} sees to the app and has no message: nothing can be edited or recalled"
    return Problem(HTTPStatus.CONFLICT, "no-message", "The broadcast has no message", detail, broadcast=broadcast_id)


def is_digest(broadcast_id: str, digest: str) -> Problem:
    """Each person got words of their own, so there are none to change or to send again."""
    detail = (
        f"broadcast {broadcast_id} is of the digest {digest!r}, in which each person got words of their own: it can "
        "be recalled, but neither edited nor sent again"
    )
    return Problem(HTTPStatus.CONFLICT, "is-digest", "The broadcast is a digest", detail, broadcast=broadcast_id)


def is_child(broadcast_id: str, parent: str) -> Problem:
    """It follows its parent, so it has no will of its own."""
    detail = (
        f"broadcast {broadcast_id} is one moment's part of broadcast {parent}, and follows it: ask for this of {parent}"
    )
    return Problem(
        HTTPStatus.CONFLICT,
        "has-parent",
        "The broadcast follows another one",
        detail,
        broadcast=broadcast_id,
        parent=parent,
    )


def installs_not_set_up() -> Problem:
    """Herald has none of the app's ids."""
    detail = (
        "Herald does not know which app to install: set HERALD_TEAMS_APP_EXTERNAL_ID to the id in the app's manifest; "
        "see docs/installing.md"
    )
    return Problem(HTTPStatus.CONFLICT, "installs-not-set-up", "Installs are not set up", detail)


def unknown_tenant(tenant: str) -> Problem:
    """The app does not serve this tenant."""
    detail = f"the app does not serve the tenant {tenant!r} (HERALD_ALLOWED_TENANTS)"
    return Problem(HTTPStatus.NOT_FOUND, "unknown-tenant", "No such tenant", detail)


def needs_if_match() -> Problem:
    """A change that does not say what it changes."""
    detail = "name the version that you read: send its ETag in the header If-Match, or * to change whatever stands"
    return Problem(HTTPStatus.PRECONDITION_REQUIRED, "if-match-missing", "The header If-Match is missing", detail)


def changed_since(schedule_id: str, tag: str) -> Problem:
    """Somebody else changed it since it was read."""
    detail = f"schedule {schedule_id} says something else by now: read it again, and change what it says then"
    return Problem(
        HTTPStatus.PRECONDITION_FAILED,
        "changed-since",
        "The schedule was changed since",
        detail,
        headers={"ETag": tag},
        schedule=schedule_id,
    )


def schedule_key_reused(schedule_id: str) -> Problem:
    """The key stands for a schedule that says something else."""
    detail = (
        f"this key stands for schedule {schedule_id}, which says something else: change that one, or use another key"
    )
    errors = _at_pointers([Fault(pointer="/key", detail=detail)])
    title = "The key was used before"
    return Problem(HTTPStatus.CONFLICT, "key-reused", title, detail, errors=errors, schedule=schedule_id)


def busy_schedule(schedule_id: str) -> Problem:
    """Several changes met."""
    detail = f"schedule {schedule_id} was changed by others at this moment: look at it, and ask again"
    return Problem(HTTPStatus.CONFLICT, "changed-meanwhile", "Other changes came first", detail, schedule=schedule_id)


def edited_meanwhile(broadcast_id: str) -> Problem:
    """Several edits met."""
    detail = f"broadcast {broadcast_id} was edited by others at this moment: look at it, and ask again"
    return Problem(HTTPStatus.CONFLICT, "edited-meanwhile", "Other edits came first", detail, broadcast=broadcast_id)


def _broken_contract(error: InvalidRequest) -> Problem:
    number = len(error.faults)
    detail = f"{number} {'thing is' if number == 1 else 'things are'} wrong with the request; see docs/requests.md"
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid-request",
        "The request breaks the contract",
        detail,
        errors=_at_pointers(error.faults),
    )


def _key_reused(error: KeyReused) -> Problem:
    errors = _at_pointers([Fault(pointer="/key", detail=str(error))])
    return Problem(
        HTTPStatus.CONFLICT,
        "key-reused",
        "The key was used before",
        str(error),
        errors=errors,
        broadcast=error.broadcast_id,
    )


def _receipt_reused(error: ReceiptReused) -> Problem:
    return Problem(HTTPStatus.CONFLICT, "key-reused", "The key was used before", str(error))


def _not_found(_: BroadcastNotFound) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "not-found", "No such broadcast", "no broadcast has this id")


def _no_schedule(_: ScheduleNotFound) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "not-found", "No such schedule", "no schedule has this id")


def _unavailable(_: StorageUnavailable) -> Problem:
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "storage-unavailable",
        "Try again later",
        "storage does not answer at the moment; the same request may work later, and a key makes that safe",
        headers={"Retry-After": str(RETRY_SECONDS)},
    )


def _not_set_up(error: SettingsError) -> Problem:
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "settings", "The app is not set up", str(error))


_PROBLEMS: dict[type[HeraldError], Callable[[Any], Problem]] = {
    Problem: lambda problem: problem,
    InvalidRequest: _broken_contract,
    KeyReused: _key_reused,
    ReceiptReused: _receipt_reused,
    BroadcastNotFound: _not_found,
    ScheduleNotFound: _no_schedule,
    StorageUnavailable: _unavailable,
    SettingsError: _not_set_up,
}


async def answering(work: Awaitable[Answer]) -> Answer:
    """Do the work, and answer with a problem where it raises an error that the caller can make sense of."""
    try:
        return await work
    except HeraldError as error:
        if type(error) not in _PROBLEMS:
            raise
        return _PROBLEMS[type(error)](error).answer


def _at_pointers(faults: Sequence[Fault]) -> list[dict[str, str]]:
    return [{"pointer": fault.pointer, "detail": fault.detail} for fault in faults]
