"""Errors of the Azure clients in Herald's words. The only place that knows their status codes."""

from collections.abc import Iterator
from contextlib import contextmanager

from azure.core.exceptions import AzureError, ClientAuthenticationError, DecodeError, HttpResponseError

from shared.errors import RowConflict, RowTooLarge, StorageError, StorageUnavailable

_CONFLICTS = frozenset({404, 409, 412})
_BUSY = frozenset({408, 429})
_TOO_LARGE = ("EntityTooLarge", "PropertyValueTooLarge", "RequestBodyTooLarge", "MessageTooLarge", "TooManyProperties")
_NOT_SET_UP = ("TableNotFound", "QueueNotFound", "TableBeingDeleted", "QueueBeingDeleted", "QueueDisabled")


@contextmanager
def translated() -> Iterator[None]:
    """Raise StorageUnavailable, RowConflict or RowTooLarge for what the clients raise within.

    Refused credentials and missing tables pass as they are: no caller can do anything about them.
    """
    try:
        yield
    except AzureError as error:
        ours = _translate(error)
        if ours is None:
            raise
        raise ours from error


def _translate(error: AzureError) -> StorageError | None:
    if isinstance(error, ClientAuthenticationError):
        return None
    if not isinstance(error, HttpResponseError) or isinstance(error, DecodeError) or error.status_code is None:
        return StorageUnavailable(f"storage did not answer: {type(error).__name__}")
    status, text = error.status_code, str(error)
    if status in _BUSY or status >= 500:
        return StorageUnavailable(f"storage answered {status}")
    if status == 413 or (status == 400 and any(code in text for code in _TOO_LARGE)):
        return RowTooLarge(f"storage answered {status}: too large")
    if status in _CONFLICTS and not any(code in text for code in _NOT_SET_UP):
        return RowConflict(f"storage answered {status}: the row changed, exists already, or is gone")
    return None
