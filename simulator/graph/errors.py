"""What Graph refuses a request with, in its own words.

The documentation lists no errors of an installation; the texts are those that callers have reported.
"""

import uuid
from datetime import UTC, datetime
from typing import Any

from simulator.calls import Answer


class GraphError(Exception):
    """A request that Graph refuses; `retry_after` is in seconds, `inner` is what Teams says below Graph's own code."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        inner: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.inner, self.retry_after = inner, retry_after

    def answer(self) -> Answer:
        inner: dict[str, Any] = {"code": self.inner, "message": self.message} if self.inner else {}
        inner |= {
            "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
            "request-id": str(uuid.uuid4()),
            "client-request-id": str(uuid.uuid4()),
        }
        headers = {} if self.retry_after is None else {"Retry-After": f"{self.retry_after:g}"}
        body = {"error": {"code": self.code, "message": self.message, "innerError": inner}}
        return Answer(self.status, body, headers)


def bad_request(message: str) -> GraphError:
    return GraphError(400, "BadRequest", message)


def no_such_object(key: str) -> GraphError:
    """A user or a group that is not there, as Entra's part of Graph says it."""
    text = f"Resource '{key}' does not exist or one of its queried reference-property objects are not present."
    return GraphError(404, "Request_ResourceNotFound", text)


def not_found(message: str) -> GraphError:
    """Something that is not there, as Teams' part of Graph says it."""
    return GraphError(404, "NotFound", message, inner="NotFound")


def missing_roles(wanted: tuple[str, ...], present: frozenset[str], *, directory: bool) -> GraphError:
    """The token holds none of the roles that would do."""
    if directory:
        text = "Insufficient privileges to complete the operation."
        return GraphError(403, "Authorization_RequestDenied", text)
    text = (
        f"Missing role permissions on the request. API requires one of '{', '.join(wanted)}'. "
        f"Roles on the request '{', '.join(sorted(present))}'."
    )
    return GraphError(403, "Forbidden", text, inner="Forbidden")


def mailbox_refused() -> GraphError:
    """The token holds no role for mailboxes, as Outlook's part of Graph says it."""
    return GraphError(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")


def throttled(retry_after: float) -> GraphError:
    return GraphError(429, "TooManyRequests", "Too many requests.", retry_after=retry_after)
