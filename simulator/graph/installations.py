"""Who has the app, in which version, and how often it was put there."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field

from simulator.graph.call import Holder
from simulator.graph.catalog import CatalogApp
from simulator.places import GroupChat, Person, Team


@dataclass(slots=True, kw_only=True)
class Holding:
    """One holder's history with the app.

    `installs` are the requests to Graph that installed it, `install_requests` all that were neither throttled nor lost
    on the way, refused ones too. Two moments of the clock that the ledger's `monotonic` has: `given_at`, when Graph
    installed it for the first time (0 for never), and `listed_at`, from which lists show the installation.
    """

    holder: str
    scope: str
    tenant_id: str
    installed: bool = False
    installation_id: str = ""
    app_id: str = ""
    version: str = ""
    listed_at: float = 0.0
    given_at: float = 0.0
    installs: int = 0
    install_requests: int = 0
    upgrades: int = 0
    uninstalls: int = 0


def key_of(holder: Holder) -> str:
    """An object id, a team's group id, or a chat's id: the keys that Graph's paths use."""
    if isinstance(holder, Person):
        return holder.object_id
    return holder.group_id if isinstance(holder, Team) else holder.id


@dataclass(slots=True)
class Installations:
    """The installations of all tenants. What the Connector asks (`installed`, the open chat) stays with the holder."""

    _holdings: dict[str, tuple[Holder, Holding]] = field(default_factory=dict)

    def of(self, holder: Holder) -> Holding:
        """The holder's history, an empty one where the app never was."""
        key = key_of(holder)
        if key not in self._holdings:
            scope = "personal" if isinstance(holder, Person) else "team" if isinstance(holder, Team) else "groupChat"
            self._holdings[key] = holder, Holding(holder=key, scope=scope, tenant_id=holder.tenant_id)
        return self._holdings[key][1]

    def install(self, holder: Holder, app: CatalogApp, *, listed_at: float = 0.0) -> Holding:
        """The holder has the app's current version from now on."""
        found = self.of(holder)
        raw = f"{found.holder}##{app.id}".encode()
        found.installed = holder.installed = True
        found.installation_id = base64.b64encode(raw).decode()
        found.app_id, found.version, found.listed_at = app.id, app.version, listed_at
        if isinstance(holder, Person):
            holder.open_chat()
        return found

    def uninstall(self, holder: Holder, code: str = "BotNotInConversationRoster") -> None:
        """The holder has the app no more; a person's chat refuses posts with `code`."""
        self.of(holder).installed = holder.installed = False
        if isinstance(holder, Person):
            holder.close_chat(code)

    def forget_app(self, tenant_id: str) -> None:
        """Nobody in the tenant has the app any more."""
        for holder, holding in self._holdings.values():
            if holding.installed and holder.tenant_id == tenant_id:
                self.uninstall(holder)

    def all(self) -> Iterator[Holding]:
        for _, holding in self._holdings.values():
            yield holding

    def clear_counts(self) -> None:
        """Count anew; who has the app stays as it is."""
        for holding in self.all():
            holding.installs = holding.install_requests = holding.upgrades = holding.uninstalls = 0
            holding.given_at = 0.0


def scope_of(holder: Holder) -> str:
    """The path of the holder in Graph."""
    key = key_of(holder)
    if isinstance(holder, Person):
        return f"users('{key}')/teamwork"
    return f"chats('{key}')" if isinstance(holder, GroupChat) else f"teams('{key}')"
