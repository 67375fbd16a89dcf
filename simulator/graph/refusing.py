"""Why Graph refuses to install the app for a person: one reason, one status and text each.

The documentation lists no errors of this request; these are those that callers have reported. The 400 is transient:
it comes under load, and the same request succeeds later.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from simulator.graph.call import Holder
from simulator.graph.errors import GraphError, missing_roles, no_such_object
from simulator.graph.installations import key_of
from simulator.graph.roles import WRITE_USER
from simulator.places import Person


class Reason(StrEnum):
    """Why an installation is refused."""

    POLICY = "policy"
    LICENSE = "license"
    USER_MISSING = "user_missing"
    APP_MISSING = "app_missing"
    WRONG_APP = "wrong_app"
    CONSENT = "consent"
    TRANSIENT = "transient"
    PRECONDITION = "precondition"
    CONFLICT = "conflict"


@dataclass(slots=True)
class Order:
    """Refuse by `reason`: whom (nobody named: everybody), and how often each (None: until it is taken back)."""

    reason: Reason
    holders: frozenset[str]
    times: int | None
    met: Counter[str] = field(default_factory=Counter)

    def strikes(self, holder: str) -> bool:
        if self.holders and holder not in self.holders:
            return False
        if self.times is not None and self.met[holder] >= self.times:
            return False
        self.met[holder] += 1
        return True


def reason_against(holder: Holder, orders: list[Order]) -> Reason | None:
    """The first order that strikes, then what the person is like."""
    key = key_of(holder)
    struck = next((order.reason for order in orders if order.strikes(key)), None)
    if struck is not None or not isinstance(holder, Person):
        return struck
    if holder.policy_blocked:
        return Reason.POLICY
    return None if holder.licensed else Reason.LICENSE


TEXTS: dict[Reason, tuple[int, str, str, str]] = {
    Reason.POLICY: (
        403,
        "Forbidden",
        "AccessDenied",
        "App is blocked by app permission policy. AppId: {app}, UserId: {user}, TenantId: {tenant}, AppType: Private",
    ),
    Reason.LICENSE: (
        403,
        "Forbidden",
        "AccessDenied",
        "Failed to get license information for the user. Ensure user has a valid Office365 license assigned to them.",
    ),
    Reason.WRONG_APP: (
        403,
        "Forbidden",
        "AccessDenied",
        "AAD App Id {caller} is not allowed to manage the Teams App {app}.",
    ),
    Reason.APP_MISSING: (404, "NotFound", "NotFound", "The requested app '{app}' was not found in the catalog."),
    Reason.TRANSIENT: (
        400,
        "BadRequest",
        "BadRequest",
        "Exception in CreateOrUpdateUserAppEntitlementForTeamsAsync. UserId: {user}, AppId: '{app}', ExternalId: '', "
        "Exception(s): 'Failed to execute settings store request, StatusCode: 400, "
        "ReasonPhrase: Schema validation errors'",
    ),
    Reason.PRECONDITION: (
        412,
        "PreconditionFailed",
        "PreconditionFailed",
        "Failed to execute TeamsGraphService backend request "
        "IsUserAuthorizedToGrantGroupResourceSpecificPermissionsRequest.",
    ),
    Reason.CONFLICT: (409, "Conflict", "Conflict", "The app is already installed."),
}
"""Status, Graph's code, the code below it, and the text."""


def refusal(reason: Reason, holder: Holder, *, tenant: str, app: str, caller: str, roles: frozenset[str]) -> GraphError:
    """The answer; `app` is the catalogue's id, `caller` the id of the app that calls."""
    key = key_of(holder)
    if reason is Reason.CONSENT:
        return missing_roles(WRITE_USER, roles, directory=False)
    if reason is Reason.USER_MISSING:
        return no_such_object(key)
    status, code, inner, text = TEXTS[reason]
    return GraphError(status, code, text.format(user=key, tenant=tenant, app=app, caller=caller), inner=inner)
