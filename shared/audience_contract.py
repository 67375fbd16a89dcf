"""The wire form of an audience, as pydantic models; `shared/contract.py` has the rest of a request.

The rules over several of its fields are in `shared/audience_requests.py`.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

from shared.domain.outcomes import Reason
from shared.domain.recipients import PERSON_NAME, THREAD_ID
from shared.faults import ChannelForm
from shared.field_rules import (
    BROADCAST_PATTERN,
    GUID_PATTERN,
    LONGEST_CHANNEL_NAME,
    MOST_IDS,
    MOST_SAVED,
    SAVED_NAME,
    channel_id,
    channel_name,
    chat_id,
    group_id,
    person,
    roster,
    saved_name,
    team,
    user_id,
)


class Part(BaseModel):
    """A part of the contract: what is not known is refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def holds(name: str, kind: dict[str, Any]) -> dict[str, Any]:
    """The schema of an object that has this member, not null."""
    return {"required": [name], "properties": {name: kind}}


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

_NAMED = ("users", "channels", "chats", "teams", "rosters", "groups")
FinalState = Literal["sent", "installed", "removed", "undeliverable", "uncertain", "expired", "cancelled"]
_SOMEBODY = [holds(name, {"type": "array", "minItems": 1, "maxItems": MOST_IDS}) for name in _NAMED]
_KINDS = [
    *_SOMEBODY,
    holds("everyone", {"enum": ["installed", "tenant"]}),
    holds("from", {"type": "string"}),
    holds("saved", {"type": "array", "minItems": 1}),
]
_AUDIENCE_SCHEMA: dict[str, Any] = {"anyOf": _KINDS}


class ExceptBody(Part):
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


class NamedChannel(Part):
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


class AudienceBody(Part):
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
