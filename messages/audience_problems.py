"""Problems of the calls about audiences."""

import math
from http import HTTPStatus

from messages.problems import RETRY_SECONDS, Problem
from shared.errors import DirectoryRefused, DirectoryUnavailable


def unknown_audience(name: str) -> Problem:
    """The tenant has no saved audience of this name."""
    detail = f"the tenant has no saved audience {name!r}: GET /api/audiences lists those that there are"
    return Problem(HTTPStatus.NOT_FOUND, "unknown-audience", "No such audience", detail)


def changed_since(name: str) -> Problem:
    """The saved audience is not the version that `If-Match` names."""
    detail = (
        f"the saved audience {name!r} is not the one that If-Match names: others have changed or removed it. Read it "
        "again, and decide with its new ETag"
    )
    return Problem(HTTPStatus.PRECONDITION_FAILED, "changed-since", "The audience has changed", detail)


def directory_away(error: DirectoryUnavailable) -> Problem:
    """Graph throttles, fails or does not answer."""
    seconds = RETRY_SECONDS if error.retry_after is None else math.ceil(error.retry_after)
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "directory-unavailable",
        "Try again later",
        f"Microsoft Graph cannot be read at the moment ({error}): the same request may work later",
        headers={"Retry-After": str(max(1, seconds))},
    )


def directory_refused(error: DirectoryRefused, *, of_groups: bool) -> Problem:
    """Graph does not let the app read what an audience needs."""
    needed = "GroupMember.Read.All with User.Read.All" if of_groups else "User.Read.All"
    hidden = ", and Member.Read.Hidden for a group whose members are hidden" if of_groups else ""
    detail = (
        f"Microsoft Graph refuses to tell ({error}). The app needs the application permission {needed}{hidden}, with "
        "the consent of an admin of the tenant, and credentials that are right; see docs/graph.md"
    )
    return Problem(HTTPStatus.BAD_GATEWAY, "directory-refused", "Microsoft Graph refuses", detail)
