"""What Graph's answers say of an installation, by a table of recorded answers.

Microsoft documents no errors of installing, so the rows come from recorded answers in public threads, named beside
each. What a message of theirs says decides only where the status alone would not.
"""

from enum import StrEnum, auto

from shared.graph.protocol import Response


class InstallState(StrEnum):
    """What is known of one installation of the app."""

    INSTALLED = auto()
    REMOVED = auto()
    WAITING = auto()
    """Not yet: the same request may work later."""
    BLOCKED_BY_POLICY = auto()
    """An admin's policy keeps the app from this person, or Graph forbade this one place for a reason of its own."""
    NO_TEAMS_LICENSE = auto()
    USER_NOT_FOUND = auto()
    """The place is not there: the person, the team or the chat."""
    APP_NOT_IN_CATALOG = auto()
    """The tenant's catalogue has no such app: it concerns everybody, and an operator mends it."""
    CONSENT_MISSING = auto()
    """The app may not do this at all: it concerns everybody, and an admin mends it."""
    GAVE_UP = auto()
    """The request is refused for good, or the installer has tried for long enough."""


# (status, a part of "code: message" in lower case, what it means), the first row that fits.
BY_TEXT: tuple[tuple[int, str, InstallState], ...] = (
    # A schema validation fails under load in Teams' settings store; the same request works later.
    # https://github.com/microsoftgraph/microsoft-graph-docs/issues/20972
    (400, "createorupdateuserappentitlementforteamsasync", InstallState.WAITING),
    # The id in `teamsApp@odata.bind` names no app of the tenant.
    # https://github.com/microsoftgraph/microsoft-graph-docs-contrib/issues/7074
    (400, "non existent app definition", InstallState.APP_NOT_IN_CATALOG),
    (404, "non existent app definition", InstallState.APP_NOT_IN_CATALOG),
    # The person's policy does not allow this custom app ("AppType: Private").
    (403, "blocked by app permission policy", InstallState.BLOCKED_BY_POLICY),
    # The person has no licence with Teams in it, or none at all.
    (403, "license information", InstallState.NO_TEAMS_LICENSE),
    # The registration that asks is not the one in the manifest's `webApplicationInfo`.
    # https://github.com/microsoftgraph/microsoft-graph-docs-contrib/issues/478
    (403, "is not allowed to manage the teams app", InstallState.CONSENT_MISSING),
    # "Missing role permissions on the request. API requires one of ...": no admin has consented to these.
    # https://github.com/microsoftgraph/microsoft-graph-docs/issues/13690
    (403, "missing role permissions", InstallState.CONSENT_MISSING),
    (403, "missing scope permissions", InstallState.CONSENT_MISSING),
    # The same, as Entra's part of Graph says it.
    (403, "authorization_requestdenied", InstallState.CONSENT_MISSING),
    (403, "insufficient privileges", InstallState.CONSENT_MISSING),
    # An empty error of Teams' own, seen for hours in an outage with all rights in order.
    # https://github.com/microsoftgraph/microsoft-graph-docs/issues/9488
    (403, "unknownerror", InstallState.WAITING),
    # "The app is not found", "App with id ... was not found in the catalog" and their like.
    # https://github.com/microsoftgraph/microsoft-graph-explorer-v4/issues/2944
    (404, "app is not found", InstallState.APP_NOT_IN_CATALOG),
    (404, "app not found", InstallState.APP_NOT_IN_CATALOG),
    (404, "catalog", InstallState.APP_NOT_IN_CATALOG),
)
BY_STATUS = {
    # The credentials are refused, also with a new token: nobody can be installed.
    401: InstallState.CONSENT_MISSING,
    # Unknown ones are taken for this place's own, so that one person never stops a broadcast. Where they meet many,
    # the broadcast's brakes pause it.
    403: InstallState.BLOCKED_BY_POLICY,
    # "User Id '...' not found.", "Resource '...' does not exist ...", and a bare "Not Found".
    # https://github.com/microsoftgraph/msgraph-sdk-java/issues/1445
    404: InstallState.USER_NOT_FOUND,
    # It is there already, which is what was wanted.
    409: InstallState.INSTALLED,
    # The app declares resource-specific permissions, which the granted permission cannot consent to.
    # https://github.com/microsoftgraph/microsoft-graph-docs-contrib/issues/322
    412: InstallState.CONSENT_MISSING,
    # Somebody else is at work on the same resource.
    423: InstallState.WAITING,
    # Something that this request depends on failed: https://learn.microsoft.com/graph/json-batching.
    424: InstallState.WAITING,
}


def failure_of(response: Response) -> InstallState:
    """What an answer says: INSTALLED for success and for 409, else why not.

    An answer in neither table is decided by the class of its status: what may work later (0, 408, 429, 5xx) is
    WAITING; any other is GAVE_UP, for a request that Graph calls wrong does not become right by repeating it.
    """
    if response.is_success:
        return InstallState.INSTALLED
    if response.is_transient:
        return InstallState.WAITING
    said = f"{response.code}: {response.message}".lower()
    by_text = (state for status, text, state in BY_TEXT if status == response.status and text in said)
    return next(by_text, BY_STATUS.get(response.status, InstallState.GAVE_UP))


def failure_of_read(response: Response) -> InstallState:
    """What an answer says that brings nothing of what was asked for: a 409 tells of no installation here."""
    state = failure_of(response)
    return InstallState.WAITING if state is InstallState.INSTALLED else state
