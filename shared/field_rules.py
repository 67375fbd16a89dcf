"""The rules for single fields of a broadcast request, in words that tell a person what would be right."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta

from pydantic_core import PydanticCustomError

from shared.domain.ids import OWN_KEYS
from shared.domain.local_time import UnknownZone, zone_named
from shared.domain.recipients import OBJECT_ID, PERSON_NAME, THREAD_ID, is_group_id
from shared.domain.schedules import LATEST

MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})?", re.ASCII)
EARLIEST_YEAR = 2000
RECIPIENT_ZONE = "recipient"
"""In the place of a zone: each recipient's own."""
NO_DEFAULT_ZONE = (
    "which zone is meant where a recipient's is not known? name one, such as Europe/Paris, or have an operator set "
    "HERALD_DEFAULT_ZONE"
)
NO_RAMP = "one wait for all does not fit a moment on each recipient's own clock: leave one of the two out"
LONGEST_KEY = 200
KEY_PATTERN = f"^(?!{'|'.join(OWN_KEYS)})"
LONGEST_SUMMARY = 500
LONGEST_CHANNEL_NAME = 200
MOST_IDS = 1_000
MOST_SAVED = 20
"""Saved audiences that one list names: each is a read before the request is accepted."""
MOST_RAMP = 100_000
LONGEST_LIFE = timedelta(days=7)
GUID_PATTERN = r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"
BROADCAST_PATTERN = r"^[0-9a-z]{20}$"
SAVED_NAME = re.compile(r"[a-z0-9-]{1,64}")
SAVED_NAME_RULE = "this must be the name of a saved audience: 1 to 64 small letters, digits and hyphens"
DURATION = re.compile(
    r"P(?!$)(?:(\d{1,6})W)?(?:(\d{1,6})D)?(?:T(?!$)(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,6}(?:\.\d{1,6})?)S)?)?",
    re.ASCII,
)


def wrong(detail: str) -> PydanticCustomError:
    """An error whose message is for people as it stands."""
    return PydanticCustomError("herald", "{detail}", {"detail": detail})


def idempotency_key(value: str) -> str:
    """A caller's own name for a request."""
    if (taken := next((one for one in OWN_KEYS if value.startswith(one)), None)) is not None:
        raise wrong(f"keys that begin with {taken} are Herald's own: begin yours with something else")
    return value


NAME_REFUSED = (
    "this is a sign-in name: give the person's Entra object id (a GUID), which Microsoft Graph tells at "
    "/users/{name}?$select=id"
)

TEAM_REFUSED = (
    "this is the GUID of the team's group: give the id that begins with 19:, which Microsoft Graph calls internalId at "
    "/teams/{id}, and which is also the id of its General channel"
)


def person(value: str) -> str:
    """A person's object id, sign-in name or mail, in lower case."""
    folded = value.strip().lower()
    return folded if PERSON_NAME.fullmatch(folded) else user_id(value)


def user_id(value: str) -> str:
    """A person's object id in lower case."""
    folded = value.strip().lower()
    if OBJECT_ID.fullmatch(folded):
        return folded
    if THREAD_ID.fullmatch(value):
        raise wrong("this is a conversation: name it under channels, chats or teams")
    if "@" in value:
        raise wrong(NAME_REFUSED)
    if value.startswith(("29:", "8:")):
        raise wrong("this is an id of Teams' own: give the person's Entra object id (a GUID), there called aadObjectId")
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


def channel_id(value: str) -> str:
    """A channel's id."""
    return _thread(value, what="a channel")


def chat_id(value: str) -> str:
    """A group chat's id."""
    return _thread(value, what="a chat")


def team(value: str) -> str:
    """A team's id: Teams' own, or its group's in lower case."""
    folded = value.strip().lower()
    return folded if is_group_id(folded) else _thread(value, what="a team")


def roster(value: str) -> str:
    """The id of a team, by either of the two, or of a group chat."""
    folded = value.strip().lower()
    return folded if is_group_id(folded) else _thread(value, what="a team or a group chat")


def channel_name(value: str) -> str:
    """A channel's name, which says something."""
    if not value.strip():
        raise wrong("the name is empty")
    return value


def group_id(value: str) -> str:
    """A group's object id in lower case."""
    folded = value.strip().lower()
    if OBJECT_ID.fullmatch(folded):
        return folded
    if THREAD_ID.fullmatch(value):
        raise wrong(
            "this is a conversation: name it under channels, chats or teams, or give the object id of the team's group"
        )
    raise wrong("this must be the object id of an Entra group: a GUID such as 5f0c9d1e-7a52-4c3b-9a51-0d6a4f6b8e21")


def saved_name(value: str) -> str:
    """The name of a saved audience."""
    if not SAVED_NAME.fullmatch(value):
        raise wrong(SAVED_NAME_RULE)
    return value


def tenant_id(value: str) -> str:
    """A tenant's id in lower case."""
    folded = value.strip().lower()
    if not OBJECT_ID.fullmatch(folded):
        raise wrong("this must be the id of an Entra tenant: a GUID")
    return folded


def spoken_text(value: str) -> str:
    """A text that says something."""
    if not value.strip():
        raise wrong("the text is empty")
    return value


def moment(value: str) -> str:
    """A date with a time of day, with or without an offset."""
    at = read_moment(value)
    if at is None:
        raise wrong("this must be a date and a time of day, such as 2026-11-23T09:00 or 2026-11-23T09:00+01:00")
    return in_reach(value, at)


def in_reach(value: str, at: datetime) -> str:
    """A moment that every zone has, and every row's key."""
    if not EARLIEST_YEAR <= at.year < LATEST.year:
        raise wrong(f"this must lie between the years {EARLIEST_YEAR} and {LATEST.year}")
    return value


def zone_name(value: str) -> str:
    """The name of an IANA zone."""
    try:
        zone_named(value)
    except UnknownZone as error:
        raise wrong(str(error)) from error
    return value


def send_zone(value: str) -> str:
    """The name of an IANA zone, or `recipient` for each recipient's own."""
    return value if value == RECIPIENT_ZONE else zone_name(value)


def read_moment(value: str) -> datetime | None:
    """A date with a time of day, aware where it has an offset; None for anything else."""
    if not MOMENT.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None


def life_span(value: str, *, longest: timedelta = LONGEST_LIFE) -> str:
    """A duration for which something can live: a broadcast, unless another longest one is given, in whole days."""
    life = read_duration(value)
    if life is None:
        raise wrong("this must be an ISO 8601 duration in weeks, days, hours, minutes or seconds, such as PT4H or P1D")
    if not timedelta() < life <= longest:
        raise wrong(f"this must be longer than nothing and at most P{longest.days}D")
    return value


def optional(rule: Callable[[str], str]) -> Callable[[str | None], str | None]:
    """The rule for a field that may be null."""
    return lambda value: None if value is None else rule(value)


def read_duration(value: str) -> timedelta | None:
    """An ISO 8601 duration without years and months, whose length depends on the calendar; None for anything else."""
    found = DURATION.fullmatch(value)
    if found is None:
        return None
    weeks, days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
