"""The wire form of a broadcast request, as pydantic models: what the JSON Schema in `docs/` is made of.

The rules here concern one field each (`shared/field_rules.py`). Rules over several fields, and over an operator's
settings, are in `shared/requests.py`; the words for pydantic's own errors are in `shared/faults.py`. Every optional
field takes null for absent, since many serialisers write absent members so.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

from shared.domain.broadcasts import DeliveryMode, Priority
from shared.domain.modes import Mode
from shared.domain.outcomes import Reason
from shared.domain.recipients import PERSON_NAME, THREAD_ID
from shared.faults import ChannelForm
from shared.field_rules import (
    BROADCAST_PATTERN,
    DURATION,
    GUID_PATTERN,
    LONGEST_CHANNEL_NAME,
    LONGEST_KEY,
    LONGEST_SUMMARY,
    MOST_IDS,
    MOST_RAMP,
    MOST_SAVED,
    SAVED_NAME,
    channel_id,
    channel_name,
    chat_id,
    group_id,
    life_span,
    moment,
    optional,
    person,
    roster,
    saved_name,
    spoken_text,
    team,
    tenant_id,
    user_id,
    zone_name,
)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


UserId = Annotated[str, AfterValidator(user_id), Field(json_schema_extra={"pattern": GUID_PATTERN})]
_THREAD_SCHEMA: dict[str, Any] = {"pattern": f"^{THREAD_ID.pattern}$"}
ChannelId = Annotated[str, AfterValidator(channel_id), Field(json_schema_extra=_THREAD_SCHEMA)]
ChatId = Annotated[str, AfterValidator(chat_id), Field(json_schema_extra=_THREAD_SCHEMA)]
Person = Annotated[
    str,
    AfterValidator(person),
    Field(json_schema_extra={"anyOf": [{"pattern": GUID_PATTERN}, {"pattern": f"^{PERSON_NAME.pattern}$"}]}),
]
GroupId = Annotated[str, AfterValidator(group_id), Field(json_schema_extra={"pattern": GUID_PATTERN})]
_TEAM_SCHEMA: dict[str, Any] = {"anyOf": [_THREAD_SCHEMA, {"pattern": GUID_PATTERN}]}
Team = Annotated[str, AfterValidator(team), Field(json_schema_extra=_TEAM_SCHEMA)]
Roster = Annotated[str, AfterValidator(roster), Field(json_schema_extra=_TEAM_SCHEMA)]
SavedName = Annotated[str, AfterValidator(saved_name), Field(json_schema_extra={"pattern": f"^{SAVED_NAME.pattern}$"})]
Version = Annotated[Literal[1], Field(description="The version of this contract.")]
Key = Annotated[
    str | None,
    Field(min_length=1, max_length=LONGEST_KEY, description="The idempotency key: one key is one broadcast."),
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


def _holds(name: str, kind: dict[str, Any]) -> dict[str, Any]:
    """The schema of an object that has this member, not null."""
    return {"required": [name], "properties": {name: kind}}


_NAMED = ("users", "channels", "chats", "teams", "rosters", "groups")
FinalState = Literal["sent", "installed", "removed", "undeliverable", "uncertain", "expired", "cancelled"]
Speaking = Literal["send", "dry_run", "test", "sandbox"]
_SOMEBODY = [_holds(name, {"type": "array", "minItems": 1, "maxItems": MOST_IDS}) for name in _NAMED]
_KINDS = [
    *_SOMEBODY,
    _holds("everyone", {"enum": ["installed", "tenant"]}),
    _holds("from", {"type": "string"}),
    _holds("saved", {"type": "array", "minItems": 1}),
]
_AUDIENCE_SCHEMA: dict[str, Any] = {"anyOf": _KINDS}
_CONTENT_SCHEMA: dict[str, Any] = {"oneOf": [_holds("text", {"type": "string"}), _holds("card", {"type": "object"})]}
_CARD_SCHEMA: dict[str, Any] = {
    "properties": {"type": {"const": "AdaptiveCard"}, "version": {"type": "string"}},
    "required": ["type", "version"],
}


class ExceptBody(_Part):
    """Whom the message is not for, whoever else is named."""

    users: Annotated[list[Person] | None, Field(description="People, by the same names as in the audience.")] = None
    groups: Annotated[list[GroupId] | None, Field(description="Groups: all of their members are left out.")] = None
    saved: Annotated[
        list[SavedName] | None,
        Field(max_length=MOST_SAVED, description="Saved audiences of people and groups: all of these are left out."),
    ] = None
    rosters: Annotated[
        list[Roster] | None, Field(description="Teams and group chats: all of their members are left out.")
    ] = None


class NamedChannel(_Part):
    """A channel by its team and its name."""

    team: Annotated[Team, Field(description="The team: Teams' id, or its group's where the app looks that up.")]
    channel: Annotated[
        str,
        Field(
            min_length=1,
            max_length=LONGEST_CHANNEL_NAME,
            description="Its name, in any letter case.",
            json_schema_extra={"pattern": r"\S"},
        ),
        AfterValidator(channel_name),
    ]


def _form_of(channel: object) -> ChannelForm:
    return ChannelForm.NAME if isinstance(channel, (dict, NamedChannel)) else ChannelForm.ID


Channel = Annotated[
    Annotated[ChannelId, Tag(ChannelForm.ID)] | Annotated[NamedChannel, Tag(ChannelForm.NAME)], Discriminator(_form_of)
]


class AudienceBody(_Part):
    """Whom the message is for: at least one kind; kinds combine, and who is named twice gets one message."""

    model_config = ConfigDict(json_schema_extra=_AUDIENCE_SCHEMA)

    users: Annotated[
        list[Person] | None,
        Field(description="People: Entra object ids; sign-in names and mails where the app is set up to look them up."),
    ] = None
    channels: Annotated[
        list[Channel] | None, Field(description="Channels: Teams' ids, or a team and the channel's name.")
    ] = None
    chats: Annotated[list[ChatId] | None, Field(description="Teams' ids of group chats.")] = None
    teams: Annotated[
        list[Team] | None,
        Field(description="Teams, each meaning its General channel: Teams' ids; their groups' where looked up."),
    ] = None
    rosters: Annotated[
        list[Roster] | None,
        Field(description="Teams and group chats where the bot is: each member as a person."),
    ] = None
    groups: Annotated[
        list[GroupId] | None,
        Field(description="Object ids of Entra groups: their members, also by way of groups inside them."),
    ] = None
    everyone: Annotated[
        Literal["installed", "tenant"] | None,
        Field(description="Everybody who has the app installed personally, or every member of the tenant."),
    ] = None
    exceptions: Annotated[
        ExceptBody | None, Field(alias="except", description="People who do not get the message in any case.")
    ] = None
    source: Annotated[
        str | None,
        Field(
            alias="from",
            pattern=BROADCAST_PATTERN,
            description="Another broadcast, of whose recipients those in `states` or with `reasons` are meant.",
        ),
    ] = None
    states: Annotated[
        list[FinalState] | None, Field(description="With `from`: the states in which their deliveries ended.")
    ] = None
    reasons: Annotated[
        list[Annotated[Reason, Field(strict=False)]] | None,
        Field(description="With `from`: why their deliveries were undeliverable."),
    ] = None
    saved: Annotated[
        list[SavedName] | None,
        Field(max_length=MOST_SAVED, description="Names of saved audiences, as they stand when this is accepted."),
    ] = None


class ContentBody(_Part):
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


class RampBody(_Part):
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
    "if": _holds("mode", {"const": Mode.TEST.value}),
    "then": _holds("test_user", {"type": "string"}),
    "else": {"properties": {"test_user": {"type": "null"}}},
}


class OptionsBody(_Part):
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


class SendBody(_Part):
    """The moment at which the message is sent."""

    at: Annotated[
        str,
        AfterValidator(moment),
        Field(description="ISO 8601 to the minute or second: local to `zone`, or with an offset such as +01:00 or Z."),
    ]
    zone: Annotated[
        str | None,
        AfterValidator(optional(zone_name)),
        Field(description="An IANA zone, such as Europe/Paris. Goes with a time that has no offset."),
    ] = None


class RequestBody(_Part):
    """A request to send one message to an audience."""

    model_config = ConfigDict(title="Herald broadcast request")

    version: Version
    key: Key = None
    tenant: TenantId = None
    audience: AudienceBody
    content: ContentBody
    send: Annotated[SendBody | None, Field(description="When to send it. Default: at once.")] = None
    options: OptionsBody | None = None


class EditBody(_Part):
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
