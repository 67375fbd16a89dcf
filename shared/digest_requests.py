"""Reads what a schedule asks for whose message is a digest: which one, under which heading, and how it is delivered.

The contract is told for callers in docs/digests.md.
"""

from collections.abc import Collection, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from shared.audience_contract import Part
from shared.contract import OptionsBody, TenantId, Version
from shared.digest_items import DigestName
from shared.domain.audience import Audience
from shared.domain.broadcasts import DeliveryMode, Priority
from shared.domain.letters import Sheet, pack_sheet
from shared.domain.modes import Mode
from shared.domain.requests import BroadcastRequest, Content
from shared.errors import Fault, InvalidRequest
from shared.faults import limit, read_as
from shared.field_rules import read_duration, spoken_text
from shared.requests import options_faults, tenant_faults

LONGEST_HEADING = 100


class DigestBody(Part):
    """A digest as a message: its `heading` stands above what gathered."""

    name: DigestName
    heading: Annotated[str, Field(max_length=LONGEST_HEADING), AfterValidator(spoken_text)]


class DigestRequestBody(Part):
    """A request to tell a digest."""

    version: Version
    tenant: TenantId = None
    audience: Any = None
    content: Any = None
    digest: DigestBody
    options: OptionsBody | None = None


def read_digest_request(document: Mapping[str, Any], *, tenants: Collection[str], key: str) -> BroadcastRequest:
    """Read the request of a digest. Raises InvalidRequest with all of its faults."""
    body, faults = read_as(DigestRequestBody, document)
    faults += tenant_faults(document.get("tenant"), tenants)
    faults += options_faults(document.get("options"))
    faults += _digest_faults(document, options if isinstance(options := document.get("options"), Mapping) else {})
    if faults or body is None:
        raise InvalidRequest(limit(faults))
    options = body.options or OptionsBody()
    return BroadcastRequest(
        tenant=body.tenant or next(iter(tenants)),
        key=key,
        audience=Audience(),
        content=Content(encoded=pack_sheet(Sheet(heading=body.digest.heading))),
        digest=body.digest.name,
        delivery=options.delivery or DeliveryMode.AT_LEAST_ONCE,
        priority=options.priority or Priority.NORMAL,
        expires_after=read_duration(options.expires_after or ""),
    )


def _digest_faults(document: Mapping[str, Any], options: Mapping[str, Any]) -> list[Fault]:
    """What cannot be asked of a digest: its items say whom and what, and are told once."""
    found = {
        "/audience": document.get("audience") is not None and "a digest's items say whom it is for: leave this out",
        "/content": document.get("content") is not None and "a digest's items say what is told: leave this out",
        "/options/mode": options.get("mode") not in (None, Mode.SEND.value)
        and "a rehearsal would take the digest's items: leave this out, or rehearse with a message of its own",
        "/options/ramp": options.get("ramp") is not None
        and "a digest starts with everybody, since each person has words of their own: leave this out",
    }
    return [Fault(pointer=pointer, detail=detail) for pointer, detail in found.items() if detail]
