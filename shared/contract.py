"""The wire form of a broadcast request, as pydantic models: what the JSON Schema in `docs/` is made of.

The rules here concern one field each (`shared/field_rules.py`). Rules over several fields, and over an operator's
settings, are in `shared/requests.py`; the words for pydantic's own errors are in `shared/faults.py`. Every optional
field takes null for absent, since many serialisers write absent members so.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field

from shared.audience_contract import AudienceBody, Part, UserId, holds
from shared.domain.broadcasts import DeliveryMode, Priority
from shared.domain.modes import Mode
from shared.field_rules import (
    DURATION,
    GUID_PATTERN,
    KEY_PATTERN,
    LONGEST_KEY,
    LONGEST_SUMMARY,
    MOST_RAMP,
    idempotency_key,
    life_span,
    moment,
    optional,
    send_zone,
    spoken_text,
    tenant_id,
    zone_name,
)

Version = Annotated[Literal[1], Field(description="The version of this contract.")]
Key = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=LONGEST_KEY,
        description="The idempotency key: one key is one broadcast.",
        json_schema_extra={"pattern": KEY_PATTERN},
    ),
    AfterValidator(optional(idempotency_key)),
]
TenantId = Annotated[
    str | None,
    AfterValidator(optional(tenant_id)),
    Field(
        description="The Entra tenant; may be left out where the app serves one.",
        json_schema_extra={"pattern": GUID_PATTERN},
    ),
]
LifeSpan = Annotated[
    str | None,
    AfterValidator(optional(life_span)),
    Field(
        description="An ISO 8601 duration from acceptance, at most P7D: nothing is done later. Default: none.",
        json_schema_extra={"pattern": f"^{DURATION.pattern}$"},
    ),
]


Speaking = Literal["send", "dry_run", "test", "sandbox"]
_CONTENT_SCHEMA: dict[str, Any] = {"oneOf": [holds("text", {"type": "string"}), holds("card", {"type": "object"})]}
_CARD_SCHEMA: dict[str, Any] = {
    "properties": {"type": {"const": "AdaptiveCard"}, "version": {"type": "string"}},
    "required": ["type", "version"],
}


class ContentBody(Part):
    """The message: exactly one of `text` and `card`."""

    model_config = ConfigDict(json_schema_extra=_CONTENT_SCHEMA)

    text: Annotated[
        str | None,
        AfterValidator(optional(spoken_text)),
        Field(description="Markdown.", json_schema_extra={"pattern": r"\S"}),
    ] = None
    card: Annotated[dict[str, Any] | None, Field(description="An Adaptive Card.", json_schema_extra=_CARD_SCHEMA)] = (
        None
    )
    summary: Annotated[
        str | None, Field(max_length=LONGEST_SUMMARY, description="What a notification shows of a card.")
    ] = None
    alert: Annotated[bool | None, Field(description="Whether the message also appears in the activity feed.")] = None


class RampBody(Part):
    """A slow start: a few people first, then a wait in which a person may look, then all others."""

    people: Annotated[int, Field(ge=1, le=MOST_RAMP, description="So many recipients get the message first.")]
    wait: Annotated[
        str,
        AfterValidator(life_span),
        Field(
            description="An ISO 8601 duration, at most P7D, from the moment when each of them was tried.",
            json_schema_extra={"pattern": f"^{DURATION.pattern}$"},
        ),
    ]


_OPTIONS_SCHEMA: dict[str, Any] = {
    "if": holds("mode", {"const": Mode.TEST.value}),
    "then": holds("test_user", {"type": "string"}),
    "else": {"properties": {"test_user": {"type": "null"}}},
}


class OptionsBody(Part):
    """How the message is delivered."""

    model_config = ConfigDict(json_schema_extra=_OPTIONS_SCHEMA)

    delivery: Annotated[
        DeliveryMode | None,
        Field(strict=False, description="What happens where an answer of Teams was lost. Default: at_least_once."),
    ] = None
    priority: Annotated[Priority | None, Field(strict=False, description="Default: normal.")] = None
    expires_after: LifeSpan = None
    mode: Annotated[Speaking | None, Field(description="In earnest, or a rehearsal. Default: send.")] = None
    test_user: Annotated[
        UserId | None, Field(description="With mode test: the one person who gets the message, as an object id.")
    ] = None
    ramp: RampBody | None = None


class SendBody(Part):
    """The moment at which the message is sent."""

    at: Annotated[
        str,
        AfterValidator(moment),
        Field(description="ISO 8601 to the minute or second: local to `zone`, or with an offset such as +01:00 or Z."),
    ]
    zone: Annotated[
        str | None,
        AfterValidator(optional(send_zone)),
        Field(
            description="An IANA zone, such as Europe/Paris, or recipient: each recipient's own. Goes with a time that "
            "has no offset."
        ),
    ] = None
    default_zone: Annotated[
        str | None,
        AfterValidator(optional(zone_name)),
        Field(
            description="With zone recipient: the IANA zone of those whose own is not known, and of channels and "
            "chats. Default: the app's."
        ),
    ] = None


class RequestBody(Part):
    """A request to send one message to an audience."""

    model_config = ConfigDict(title="Herald broadcast request")

    version: Version
    key: Key = None
    tenant: TenantId = None
    audience: AudienceBody
    content: ContentBody
    send: Annotated[SendBody | None, Field(description="When to send it. Default: at once.")] = None
    options: OptionsBody | None = None


class EditBody(Part):
    """New words for a message that was sent."""

    content: ContentBody


def json_schema() -> dict[str, Any]:
    """The contract as a JSON Schema. What it cannot say is in docs/requests.md: sizes, tenants, and the sum of ids."""
    schema = RequestBody.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:herald:broadcast-request:1",
        **schema,
    }
