"""Application permissions (roles): which ones open which request, and those a tenant consents to for Herald.

Source: the permission tables of each request, such as
https://learn.microsoft.com/graph/api/userteamwork-post-installedapps.
"""

_INSTALL = "TeamsAppInstallation."


def _write(scope: str) -> tuple[str, ...]:
    kinds = ("ReadWriteSelfFor", "ReadWriteFor", "ReadWriteAndConsentSelfFor", "ReadWriteAndConsentFor")
    return tuple(f"{_INSTALL}{kind}{scope}.All" for kind in kinds)


def _read(scope: str) -> tuple[str, ...]:
    return (f"{_INSTALL}ReadFor{scope}.All", *_write(scope))


WRITE_USER, READ_USER = _write("User"), _read("User")
WRITE_TEAM, READ_TEAM = _write("Team"), _read("Team")
WRITE_CHAT, READ_CHAT = _write("Chat"), _read("Chat")
CATALOG = ("AppCatalog.Read.All", "AppCatalog.ReadWrite.All")
TEAM = ("Team.ReadBasic.All", "TeamSettings.Read.All", "TeamSettings.ReadWrite.All", "Group.Read.All")
CHANNELS = ("Channel.ReadBasic.All", "ChannelSettings.Read.All", "ChannelSettings.ReadWrite.All", "Group.Read.All")
TEAM_MEMBERS = ("TeamMember.Read.All", "TeamMember.ReadWrite.All", "Group.Read.All", "Directory.Read.All")
USERS = ("User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All")
GROUP = ("GroupMember.Read.All", "Group.Read.All", "Group.ReadWrite.All", "Directory.Read.All")
MAILBOX = ("MailboxSettings.Read", "MailboxSettings.ReadWrite")
MEMBERS = ("GroupMember.ReadBasic.All", *GROUP)

CONSENTED = (
    "TeamsAppInstallation.ReadWriteSelfForUser.All",
    "TeamsAppInstallation.ReadWriteSelfForTeam.All",
    "TeamsAppInstallation.ReadWriteSelfForChat.All",
    "AppCatalog.Read.All",
    "GroupMember.Read.All",
    "User.Read.All",
    "Team.ReadBasic.All",
    "MailboxSettings.Read",
)
"""What a tenant's administrator has consented to unless told otherwise."""


def only_self(roles: frozenset[str]) -> bool:
    """Whether the roles for installations reach no other app than the caller's own."""
    return all("Self" in role for role in roles if role.startswith(_INSTALL))
