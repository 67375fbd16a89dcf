"""The Azure clients' errors in Herald's words, as a table."""

from types import SimpleNamespace

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
    StreamConsumedError,
)

from shared.errors import RowConflict, RowTooLarge, StorageUnavailable
from shared.storage.failures import translated


def answered(status: int, code: str = "") -> HttpResponseError:
    """The clients' error for an answer with this status and error code."""
    error = HttpResponseError(f"Something\nErrorCode:{code}")
    error.status_code = status
    return error


@pytest.mark.parametrize(
    ("foreign", "ours"),
    [
        (answered(404, "ResourceNotFound"), RowConflict),
        (answered(409, "EntityAlreadyExists"), RowConflict),
        (answered(412, "UpdateConditionNotSatisfied"), RowConflict),
        (answered(413, "RequestBodyTooLarge"), RowTooLarge),
        (answered(400, "EntityTooLarge"), RowTooLarge),
        (answered(400, "PropertyValueTooLarge"), RowTooLarge),
        (answered(408), StorageUnavailable),
        (answered(429), StorageUnavailable),
        (answered(500, "OperationTimedOut"), StorageUnavailable),
        (answered(503, "ServerBusy"), StorageUnavailable),
        (ServiceRequestError("refused"), StorageUnavailable),
        (ServiceResponseError("reset"), StorageUnavailable),
        (ServiceResponseTimeoutError("silent"), StorageUnavailable),
        (IncompleteReadError("half an answer"), StorageUnavailable),
        (DecodeError("not JSON"), StorageUnavailable),
        (StreamConsumedError(SimpleNamespace(request="GET")), StorageUnavailable),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else str(value).replace("\n", " "),
)
def test_foreign_error_becomes_ours(foreign: Exception, ours: type[Exception]) -> None:
    with pytest.raises(ours) as caught, translated():
        raise foreign

    assert caught.value.__cause__ is foreign


@pytest.mark.parametrize(
    "foreign",
    [
        answered(404, "TableNotFound"),  # the account was not set up
        answered(404, "QueueNotFound"),
        answered(409, "TableBeingDeleted"),
        answered(403, "AuthorizationPermissionMismatch"),  # a role is missing
        answered(400, "InvalidInput"),  # a bug of ours
        ClientAuthenticationError("no token"),
        ValueError("a bug"),
    ],
    ids=lambda value: str(value).replace("\n", " "),
)
def test_what_no_caller_can_mend_passes(foreign: Exception) -> None:
    with pytest.raises(type(foreign)) as caught, translated():
        raise foreign

    assert caught.value is foreign
