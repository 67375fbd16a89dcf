"""What the calls about audiences bring: an audience to save or to estimate, with everything that is wrong with it."""

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from messages.bodies import read_document
from shared.audience_contract import AudienceBody
from shared.audience_requests import audience_faults, name_faults, read_audience, too_many_ids, whole_faults
from shared.contract import TenantId, Version
from shared.errors import Fault, InvalidRequest
from shared.faults import limit, read_as
from shared.requests import tenant_faults

LONGEST_DESCRIPTION = 500
_IN_A_REQUEST = ": that belongs into the request which names the saved audience"
_NOT_SAVED = {
    "from": f"the recipients of another broadcast cannot be saved{_IN_A_REQUEST}",
    "states": f"the recipients of another broadcast cannot be saved{_IN_A_REQUEST}",
    "reasons": f"the recipients of another broadcast cannot be saved{_IN_A_REQUEST}",
    "saved": "a saved audience names no other one: name both of them in the request",
}


class EstimateBody(BaseModel):
    """An audience of a tenant."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    version: Version
    tenant: TenantId = None
    audience: AudienceBody


class SavedBody(EstimateBody):
    """The same, to be saved."""

    description: Annotated[str | None, Field(max_length=LONGEST_DESCRIPTION)] = None


Body = TypeVar("Body", bound=EstimateBody)


def read_estimate(body: bytes, *, tenants: Collection[str], takes_names: bool) -> EstimateBody:
    """Read an audience that is to be estimated. Raises Problem, and InvalidRequest with all of its faults."""
    document = read_document(body)
    faults = audience_faults(document.get("audience"))
    return _read(document, EstimateBody, between=faults, tenants=tenants, takes_names=takes_names)


def read_saved(body: bytes, *, tenants: Collection[str], takes_names: bool) -> SavedBody:
    """Read an audience that is to be saved. Raises what `read_estimate` raises."""
    document = read_document(body)
    audience = document.get("audience")
    # What it cannot have may be the only thing in it, or half of what it takes: more words would not help.
    faults = list(_not_saved(audience)) or audience_faults(audience)
    saved = _read(document, SavedBody, between=faults, tenants=tenants, takes_names=takes_names)
    # What no request could name is not kept.
    if faults := whole_faults(read_audience(saved.audience)):
        raise InvalidRequest(faults)
    return saved


def _not_saved(audience: object) -> Iterator[Fault]:
    given = audience if isinstance(audience, Mapping) else {}
    for name, detail in _NOT_SAVED.items():
        if given.get(name) is not None:
            yield Fault(pointer=f"/audience/{name}", detail=detail)
    exceptions = given.get("except")
    if isinstance(exceptions, Mapping) and exceptions.get("saved") is not None:
        yield Fault(pointer="/audience/except/saved", detail=_NOT_SAVED["saved"])


def _read(
    document: Mapping[str, Any],
    model: type[Body],
    *,
    between: list[Fault],
    tenants: Collection[str],
    takes_names: bool,
) -> Body:
    """Read a document; `between` are the faults between the fields of its audience."""
    audience = document.get("audience")
    if too_many := too_many_ids(audience):
        raise InvalidRequest([too_many])
    body, faults = read_as(model, document)
    faults += tenant_faults(document.get("tenant"), tenants) + between
    if not takes_names:
        faults += name_faults(audience)
    if faults or body is None:
        raise InvalidRequest(limit(faults))
    return body.model_copy(update={"tenant": body.tenant or next(iter(tenants))})
