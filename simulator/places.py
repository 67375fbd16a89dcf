"""The people and places of a tenant, and the ids Teams gives them."""

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any, TypedDict


def opaque(prefix: str, *parts: str) -> str:
    """An id that looks like Teams' own, always the same for the same parts."""
    digest = hashlib.sha512("\n".join(parts).encode()).digest()
    return prefix + base64.urlsafe_b64encode(digest).decode().rstrip("=")


class Traits(TypedDict, total=False):
    """What an administrator decides about a person."""

    licensed: bool
    enabled: bool
    policy_blocked: bool
    mailbox: bool
    mailbox_zone: str


@dataclass(slots=True, kw_only=True)
class Person:
    """A user. `locale` is a BCP 47 tag, `zone` an IANA time zone.

    `installed` says whether the person has the app in personal scope. A 1:1 chat is known since the bot was first in
    it, and open while the bot is in it; `refusal` is the code that a post to a closed chat gets. `graph_chat_id` is
    the same chat's id in Graph. `licensed`, `guest`, `enabled` and `policy_blocked` (the tenant's app permission policy
    forbids the app) are what an administrator decides, and so is `mailbox`: whether it is in Exchange Online.
    `mailbox_zone` is what its settings tell as time zone, to the letter; empty is Windows' name of `zone`.
    """

    tenant_id: str
    object_id: str
    user_id: str
    chat_id: str
    upn: str
    given_name: str
    surname: str
    locale: str
    zone: str
    installed: bool = False
    chat_known: bool = False
    chat_open: bool = False
    refusal: str = "BotNotInConversationRoster"
    graph_chat_id: str = ""
    licensed: bool = True
    guest: bool = False
    enabled: bool = True
    policy_blocked: bool = False
    mailbox: bool = True
    mailbox_zone: str = ""

    def open_chat(self) -> None:
        """The bot is in the 1:1 chat from now on."""
        self.chat_known = self.chat_open = True

    def close_chat(self, refusal: str) -> None:
        """The bot is out of the 1:1 chat; whoever posts there gets `refusal`."""
        self.installed = self.chat_open = False
        self.refusal = refusal

    @property
    def name(self) -> str:
        return f"{self.given_name} {self.surname}"

    @property
    def mail(self) -> str:
        """A guest's UPN is made from the address at home."""
        return self.upn.partition("#")[0].replace("_", "@") if self.guest else self.upn

    @property
    def user_type(self) -> str:
        return "Guest" if self.guest else "Member"

    @property
    def conversation(self) -> dict[str, Any]:
        return {"conversationType": "personal", "id": self.chat_id, "tenantId": self.tenant_id}

    def as_member(self) -> dict[str, Any]:
        """The person as the Connector's rosters show one: `objectId`, not `aadObjectId`.

        Guests have been seen with the `userRole` of users: https://github.com/MicrosoftDocs/msteams-docs/issues/6381
        """
        return {
            "id": self.user_id,
            "objectId": self.object_id,
            "name": self.name,
            "givenName": self.given_name,
            "surname": self.surname,
            "email": self.mail,
            "userPrincipalName": self.upn,
            "tenantId": self.tenant_id,
            "userRole": "user",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A channel. General has no name, and its id is its team's."""

    id: str
    name: str | None
    team_id: str

    def as_resource(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name, "type": "standard"}


@dataclass(slots=True, kw_only=True)
class Team:
    id: str
    name: str
    group_id: str
    tenant_id: str
    channels: list[Channel]
    members: dict[str, Person]
    installed: bool = False

    def conversation(self, channel: Channel) -> dict[str, Any]:
        return {"isGroup": True, "conversationType": "channel", "id": channel.id, "tenantId": self.tenant_id}


@dataclass(slots=True, kw_only=True)
class GroupChat:
    id: str
    name: str
    tenant_id: str
    members: dict[str, Person]
    installed: bool = False

    @property
    def conversation(self) -> dict[str, Any]:
        return {
            "isGroup": True,
            "conversationType": "groupChat",
            "id": self.id,
            "name": self.name,
            "tenantId": self.tenant_id,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a conversation id leads: exactly one of person, team (with channel) and group chat.

    `key` is the id without a thread's `;messageid=`: limits are counted for the whole channel.
    """

    key: str
    tenant_id: str
    person: Person | None = None
    team: Team | None = None
    channel: Channel | None = None
    chat: GroupChat | None = None
    roster: dict[str, Person] = field(default_factory=dict)
