"""Reads a request to see to the app without a message: to install it, to bring it up to date, or to remove it.

The contract is told for callers in docs/installing.md. It makes a broadcast that has no content.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from shared.audience_contract import AudienceBody, Part
from shared.audience_requests import audience_faults, name_faults, read_audience, read_saved, too_many_ids
from shared.contract import Key, LifeSpan, TenantId, Version
from shared.domain.modes import Mode
from shared.domain.requests import BroadcastRequest, Content
from shared.domain.scopes import Scope
from shared.errors import Fault, InvalidRequest
from shared.faults import limit, read_as
from shared.field_rules import read_duration
from shared.requests import tenant_faults

NO_MESSAGE = Content(encoded=b"")
_NAMED_IN = {
    "users": Scope.PERSONAL,
    "groups": Scope.PERSONAL,
    "rosters": Scope.PERSONAL,
    "everyone": Scope.PERSONAL,
    "teams": Scope.TEAM,
    "chats": Scope.GROUP_CHAT,
}


class InstallOptionsBody(Part):
    """How long the installer tries."""

    expires_after: LifeSpan = None


class InstallBody(Part):
    """A request to see to the app of an audience."""

    model_config = ConfigDict(title="Herald install request")

    version: Version
    key: Key = None
    tenant: TenantId = None
    audience: AudienceBody
    action: Annotated[
        Literal["install", "upgrade", "remove"] | None,
        Field(
            description="Give the app to who lacks it (default); besides, bring older installations to the "
            "catalogue's version; or take the app away."
        ),
    ] = None
    options: InstallOptionsBody | None = None


def read_install_request(
    document: Mapping[str, Any],
    *,
    tenants: Collection[str],
    scopes: Collection[Scope],
    key: str,
    found: Sequence[Fault] = (),
    takes_names: bool = False,
) -> BroadcastRequest:
    """Read a request. `key` stands in where it has none of its own, and `found` was found wrong beside it.

    `scopes` are those in which the app is installed. Raises InvalidRequest with all of its faults.
    """
    audience = document.get("audience")
    if too_many := too_many_ids(audience):
        raise InvalidRequest([*found, too_many])
    body, wrong = read_as(InstallBody, document)
    faults = [*found, *wrong]
    faults += tenant_faults(document.get("tenant"), tenants)
    faults += audience_faults(audience)
    faults += _scope_faults(audience, scopes)
    if not takes_names:
        faults += name_faults(audience)
    if faults or body is None:
        raise InvalidRequest(limit(faults))
    life = body.options and body.options.expires_after
    return BroadcastRequest(
        tenant=body.tenant or next(iter(tenants)),
        key=body.key or key,
        audience=read_audience(body.audience),
        saved=read_saved(body.audience),
        content=NO_MESSAGE,
        expires_after=read_duration(life) if life else None,
        mode=Mode(body.action or Mode.INSTALL),
    )


def _scope_faults(given: object, scopes: Collection[Scope]) -> list[Fault]:
    """What is named in an audience and cannot have the app by itself, or not by the settings."""
    if not isinstance(given, Mapping):
        return []
    faults = []
    if given.get("channels"):
        detail = "an app is installed in a team, not in its channels: name the team under teams"
        faults.append(Fault(pointer="/audience/channels", detail=detail))
    for name, scope in _NAMED_IN.items():
        if given.get(name) and scope not in scopes:
            detail = f"Herald is not set up to install the app in this scope: add {scope} to HERALD_INSTALL_SCOPES"
            faults.append(Fault(pointer=f"/audience/{name}", detail=detail))
    return faults
