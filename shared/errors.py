"""Herald's own errors. A class says what its catcher does next, and carries the datum that needs.

    HeraldError
    ├── SettingsError               an operator mends a setting
    ├── InvalidRequest              the caller mends the request: every fault by JSON pointer
    ├── KeyReused                   the caller picks another idempotency key
    ├── ReceiptReused               likewise
    ├── BroadcastNotFound           the caller asks for another id
    ├── ScheduleNotFound            likewise
    ├── ActivityRefused             the door answers with `status` and no reason
    ├── ServiceHostRefused          an operator names the host in a setting
    ├── TokenRefused                an operator mends the credentials
    ├── TokenUnavailable            the same call may work later
    ├── DirectoryError
    │   ├── DirectoryUnavailable    the same page may be read later
    │   ├── DirectoryRefused        an admin gives a permission, or an operator mends the credentials
    │   └── PageExpired             read the source anew, from `start` on
    └── StorageError
        ├── RowConflict             read the row again, then decide
        ├── RowTooLarge             write less: a limit of the tables was about to be passed
        └── StorageUnavailable      the same call may work later

Errors of the libraries below are translated once, at the edge, with `raise ... from`.
What is not in this tree is a bug.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class HeraldError(Exception):
    """The root of all errors that Herald raises on purpose."""


class SettingsError(HeraldError):
    """A setting is missing or contradicts another one. The message names the setting and says what would be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong with a request: where (a JSON pointer, RFC 6901), and what would be right."""

    pointer: str
    detail: str


class InvalidRequest(HeraldError):
    """A request cannot be accepted; `faults` names everything that is wrong with it, not only the first."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{fault.pointer or '/'}: {fault.detail}" for fault in faults))
        self.faults = tuple(faults)


class KeyReused(HeraldError):
    """The idempotency key was used before with another body, by the broadcast `broadcast_id`."""

    def __init__(self, broadcast_id: str) -> None:
        super().__init__(f"this key was used with another body, by broadcast {broadcast_id}; use another key")
        self.broadcast_id = broadcast_id


class ReceiptReused(HeraldError):
    """The receipt of a request for a digest was used before, with another item."""

    def __init__(self) -> None:
        super().__init__("this key was used with another item; use another key")


class BroadcastNotFound(HeraldError):
    """No broadcast has this id."""


class ScheduleNotFound(HeraldError):
    """No schedule of the tenant has this id."""


class ActivityRefused(HeraldError):
    """An activity's sender could not be trusted. `status` is 401 or 403; the reason is for the log alone."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class ServiceHostRefused(HeraldError):
    """A request would have carried a token to a host that no setting names; nothing was fetched or sent."""


class TokenRefused(HeraldError):
    """The identity provider refused the app's credentials; trying again does not help until they are mended."""


class TokenUnavailable(HeraldError):
    """The identity provider could not be reached or failed; a later try may work."""


class DirectoryError(HeraldError):
    """The root of why a page of an audience cannot be read from the directory, or a roster from Teams."""


class DirectoryUnavailable(DirectoryError):
    """The directory throttles, fails or is away; `retry_after` is in seconds, where it was told."""

    def __init__(self, cause: str, *, retry_after: float | None = None) -> None:
        super().__init__(cause)
        self.retry_after = retry_after


class DirectoryRefused(DirectoryError):
    """The directory refuses to be read: a permission is missing, the credentials are wrong, or the request is."""


class PageExpired(DirectoryError):
    """The link to a page leads nowhere any more; `start` is the token with which its list begins anew."""

    def __init__(self, start: str) -> None:
        super().__init__("the link to a page has expired")
        self.start = start


class StorageError(HeraldError):
    """The root of what tables and queues can answer."""


class RowConflict(StorageError):
    """A conditional write lost: the row changed, exists already, or is gone. Nothing of the transaction was written."""


class RowTooLarge(StorageError):
    """A row, property or transaction is over a limit of Azure's tables (Azurite accepts more than Azure does)."""


class StorageUnavailable(StorageError):
    """Storage did not answer, or refused for load, also after the client's own retries."""
