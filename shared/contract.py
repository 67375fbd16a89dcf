"""The wire form of a broadcast request, as pydantic models: what the JSON Schema in `docs/` is made of.

The rules here concern one field each. Rules over several fields, and over an operator's settings, are in
`shared/requests.py`; the words for people are in `shared/faults.py`. Every optional field takes null for absent, since
many serialisers write absent members so.
"""

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from shared.domain.broadcasts import DeliveryMode, Priority
from shared.domain.recipients import OBJECT_ID, THREAD_ID

LONGEST_KEY = 200
LONGEST_SUMMARY = 500
MOST_IDS = 1_000
LONGEST_LIFE = timedelta(days=7)
_GUID = r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"
_DURATION = re.compile(
    r"P(?!$)(?:(\d{1,6})W)?(?:(\d{1,6})D)?(?:T(?!$)(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,6}(?:\.\d{1,6})?)S)?)?",
    re.ASCII,
)


def wrong(detail: str) -> PydanticCustomError:
    """An error whose message is for people as it stands."""
    return PydanticCustomError("herald", "{detail}", {"detail": detail})


def _user(value: str) -> str:
    folded = value.strip().lower()
    if OBJECT_ID.fullmatch(folded):
        return folded
    if "@" in value:
        raise wrong(
            "this is a sign-in name: give the person's Entra object id (a GUID), which Microsoft Graph tells at "
            "/users/{name}?$select=id"
        )
    if value.startswith(("29:", "8:")):
        raise wrong("this is an id of Teams' own: give the person's Entra object id (a GUID), there called aadObjectId")
    if THREAD_ID.fullmatch(value):
        raise wrong("this is a conversation: name it under channels, chats or teams")
    raise wrong("this must be the Entra object id of a person: a GUID such as 5f0c9d1e-7a52-4c3b-9a51-0d6a4f6b8e21")


def _thread(value: str, *, what: str) -> str:
    if THREAD_ID.fullmatch(value):
        return value
    if value.startswith("a:"):
        raise wrong("this is somebody's personal chat with the bot: name the person under users instead")
    if OBJECT_ID.fullmatch(value.lower()):
        raise wrong(
            f"this is a GUID, which Teams does not take for {what}: the id begins with 19: and stands in the link that "
            "Teams copies, and in Microsoft Graph's answers"
        )
    raise wrong(f"this must be Teams' id of {what}, beginning with 19:")


def _channel(value: str) -> str:
    return _thread(value, what="a channel")


def _chat(value: str) -> str:
    return _thread(value, what="a chat")


def _team(value: str) -> str:
    if OBJECT_ID.fullmatch(value.lower()):
        raise wrong(
            "this is the GUID of the team's group: give the id that begins with 19:, which Microsoft Graph calls "
            "internalId at /teams/{id}, and which is also the id of its General channel"
        )
    return _thread(value, what="a team")


def _tenant(value: str) -> str:
    folded = value.strip().lower()
    if not OBJECT_ID.fullmatch(folded):
        raise wrong("this must be the id of an Entra tenant: a GUID")
    return folded


def _text(value: str) -> str:
    if not value.strip():
        raise wrong("the text is empty")
    return value


def _duration(value: str) -> str:
    life = read_duration(value)
    if life is None:
        raise wrong("this must be an ISO 8601 duration in weeks, days, hours, minutes or seconds, such as PT4H or P1D")
    if not timedelta() < life <= LONGEST_LIFE:
        raise wrong("this must be longer than nothing and at most P7D")
    return value


def read_duration(value: str) -> timedelta | None:
    """An ISO 8601 duration without years and months, whose length depends on the calendar; None for anything else."""
    found = _DURATION.fullmatch(value)
    if found is None:
        return None
    weeks, days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


UserId = Annotated[str, AfterValidator(_user), Field(json_schema_extra={"pattern": _GUID})]
_THREAD_SCHEMA: dict[str, Any] = {"pattern": f"^{THREAD_ID.pattern}$"}
ChannelId = Annotated[str, AfterValidator(_channel), Field(json_schema_extra=_THREAD_SCHEMA)]
ChatId = Annotated[str, AfterValidator(_chat), Field(json_schema_extra=_THREAD_SCHEMA)]
TeamId = Annotated[str, AfterValidator(_team), Field(json_schema_extra=_THREAD_SCHEMA)]


class AudienceBody(_Part):
    """Whom the message is for: at least one kind; kinds combine, and who is named twice gets one message."""

    users: Annotated[list[UserId] | None, Field(description="Entra object ids of people.")] = None
    channels: Annotated[list[ChannelId] | None, Field(description="Teams' ids of channels.")] = None
    chats: Annotated[list[ChatId] | None, Field(description="Teams' ids of group chats.")] = None
    teams: Annotated[list[TeamId] | None, Field(description="Teams' ids of teams: their General channels.")] = None
    everyone: Annotated[
        Literal["installed"] | None, Field(description="Everybody who has the app installed personally.")
    ] = None


class ContentBody(_Part):
    """The message: exactly one of `text` and `card`."""

    text: Annotated[
        str | None,
        AfterValidator(lambda value: None if value is None else _text(value)),
        Field(description="Markdown."),
    ] = None
    card: Annotated[
        dict[str, Any] | None,
        Field(
            description="An Adaptive Card.",
            json_schema_extra={
                "properties": {"type": {"const": "AdaptiveCard"}, "version": {"type": "string"}},
                "required": ["type", "version"],
            },
        ),
    ] = None
    summary: Annotated[
        str | None, Field(max_length=LONGEST_SUMMARY, description="What a notification shows of a card.")
    ] = None
    alert: Annotated[bool | None, Field(description="Whether the message also appears in the activity feed.")] = None


class OptionsBody(_Part):
    """How the message is delivered."""

    delivery: Annotated[
        DeliveryMode | None,
        Field(strict=False, description="What happens where an answer of Teams was lost. Default: at_least_once."),
    ] = None
    priority: Annotated[Priority | None, Field(strict=False, description="Default: normal.")] = None
    expires_after: Annotated[
        str | None,
        AfterValidator(lambda value: None if value is None else _duration(value)),
        Field(description="An ISO 8601 duration from acceptance, at most P7D: nothing is sent later. Default: none."),
    ] = None


class RequestBody(_Part):
    """A request to send one message to an audience."""

    model_config = ConfigDict(title="Herald broadcast request")

    version: Annotated[Literal[1], Field(description="The version of this contract.")]
    key: Annotated[
        str | None,
        Field(min_length=1, max_length=LONGEST_KEY, description="The idempotency key: one key is one broadcast."),
    ] = None
    tenant: Annotated[
        str | None,
        AfterValidator(lambda value: None if value is None else _tenant(value)),
        Field(
            description="The Entra tenant; may be left out where the app serves one.",
            json_schema_extra={"pattern": _GUID},
        ),
    ] = None
    audience: AudienceBody
    content: ContentBody
    options: OptionsBody | None = None
