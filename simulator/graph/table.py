"""Which path does what: kind (for faults and counts), limit, roles and deed of every request."""

from collections.abc import Callable
from dataclasses import dataclass

from simulator.calls import Answer
from simulator.graph import apps, catalogs, groups, mailboxes, roles, teams, users
from simulator.graph.call import GraphCall
from simulator.graph.errors import GraphError, bad_request
from simulator.world import World

Deed = Callable[[World, GraphCall], Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """One request. `units` is its cost where Entra counts resource units instead of requests."""

    method: str
    pattern: tuple[str, ...]
    kind: str
    rule: str
    roles: tuple[str, ...]
    deed: Deed
    units: int = 0


def _installations(prefix: str, read: tuple[str, ...], write: tuple[str, ...]) -> list[Route]:
    """The same requests for people, teams and chats."""
    apps_path = (*prefix.split("/"), "installedApps")
    one = (*apps_path, "{installation}")
    return [
        Route("GET", apps_path, "installations", "get_installed", read, apps.installed_apps),
        Route("POST", apps_path, "install", "post_installed", write, apps.install),
        Route("GET", one, "installation", "get_installed", read, apps.installed_app),
        Route("DELETE", one, "uninstall", "delete_installed", write, apps.uninstall),
        Route("POST", (*one, "upgrade"), "upgrade", "post", write, apps.upgrade),
    ]


def _get(path: str, kind: str, rule: str, allowed: tuple[str, ...], deed: Deed) -> Route:
    return Route("GET", tuple(path.split("/")), kind, rule, allowed, deed)


def _identity(path: str, kind: str, units: int, allowed: tuple[str, ...], deed: Deed) -> Route:
    return Route("GET", tuple(path.split("/")), kind, "identity", allowed, deed, units)


USER_CAST = "groups/{group}/transitiveMembers/microsoft.graph.user"

ROUTES: tuple[Route, ...] = (
    *_installations("users/{user}/teamwork", roles.READ_USER, roles.WRITE_USER),
    *_installations("teams/{team}", roles.READ_TEAM, roles.WRITE_TEAM),
    *_installations("chats/{chat}", roles.READ_CHAT, roles.WRITE_CHAT),
    _get("users/{user}/teamwork/installedApps/{installation}/chat", "chat", "get", roles.READ_USER, apps.chat),
    _get("appCatalogs/teamsApps", "catalog", "get_catalog", roles.CATALOG, catalogs.teams_apps),
    _get("teams/{team}", "team", "get", roles.TEAM, teams.team),
    _get("teams/{team}/channels", "channels", "get_channels", roles.CHANNELS, teams.channels),
    _get("teams/{team}/members", "team_members", "get_members", roles.TEAM_MEMBERS, teams.members),
    _get("users/{user}/mailboxSettings/timeZone", "mailbox", "mailbox", roles.MAILBOX, mailboxes.time_zone),
    _identity("users", "users", 2, roles.USERS, users.users),
    _identity("users/$count", "users_count", 2, roles.USERS, users.users_count),
    _identity("users/{user}", "user", 1, roles.USERS, users.user),
    _identity("groups/{group}", "group", 1, roles.GROUP, groups.group),
    _identity("groups/{group}/transitiveMembers", "members", 5, roles.MEMBERS, groups.members),
    _identity("groups/{group}/transitiveMembers/$count", "members_count", 5, roles.MEMBERS, groups.count),
    _identity(USER_CAST, "members", 5, roles.MEMBERS, groups.users),
    _identity(f"{USER_CAST}/$count", "members_count", 5, roles.MEMBERS, groups.users_count),
)


def route_of(call: GraphCall) -> Route:
    """The route of a request; fills in what its path names."""
    methods: set[str] = set()
    for route in ROUTES:
        params = _match(route.pattern, call.path)
        if params is None:
            continue
        if route.method == call.method:
            call.params = params
            return route
        methods.add(route.method)
    if methods:
        raise GraphError(405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.")
    raise bad_request(f"Resource not found for the segment '{call.path[-1]}'.")


def _match(pattern: tuple[str, ...], path: tuple[str, ...]) -> dict[str, str] | None:
    if len(pattern) != len(path):
        return None
    params: dict[str, str] = {}
    for wanted, found in zip(pattern, path, strict=True):
        if wanted.startswith("{"):
            params[wanted.strip("{}")] = found
        elif wanted.lower() != found.lower():
            return None
    return params
