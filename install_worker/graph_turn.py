"""One turn with Graph for a few places of one tenant: the app is given to them, brought up to date, or taken away.

Every step can be done twice without harm: who has the app is not given it again, and a chat that is known is not asked
for. So a crash costs a look. What a place has come to is told at the end; what it means is decided elsewhere.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, auto

from shared.domain.modes import Mode
from shared.graph.catalog import Catalog
from shared.graph.client import GraphClient
from shared.graph.installs import (
    Installation,
    InstallState,
    Place,
    PlaceKind,
    chat_id_in,
    chat_of,
    failure_of,
    find_installation,
    install,
    installation_in,
    uninstall,
    upgrade,
)
from shared.graph.protocol import Request, Response
from shared.graph.teams_app import TeamsApp, find_versions, is_older, newest_version_in


class Why(StrEnum):
    """Why an end is what it is, where its state alone does not tell."""

    LISTS_LAG = auto()
    """The app was installed just now, and Graph's list does not show it yet."""
    VERSIONS_REFUSED = auto()
    """The catalogue's versions may not be read, which only an upgrade has to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What a place has come to. `chat` is a person's who has the app; `retry_after` is Graph's word, in seconds."""

    state: InstallState
    chat: str = ""
    retry_after: float | None = None
    why: Why | None = None


Told = Installation | InstallState | None


class GraphTurn:
    """The calls of one turn. Who asks may be told to stop by `may_go_on`: then some places have no end.

    `unheard` tells of whom the bot has not been told meanwhile; the others are none of this turn's business any more.
    """

    def __init__(
        self,
        graph: GraphClient,
        catalog: Catalog,
        *,
        tenant: str,
        bind_url: str,
        may_go_on: Callable[[], Awaitable[bool]],
        unheard: Callable[[Sequence[int]], Awaitable[Sequence[int]]],
    ) -> None:
        """`bind_url` is the cloud's own Graph, by which an install names the app."""
        self._graph = graph
        self._catalog = catalog
        self._tenant = tenant
        self._bind_url = bind_url
        self._may_go_on = may_go_on
        self._unheard = unheard
        self._places: Mapping[int, Place] = {}
        self.ends: dict[int, Ended] = {}
        """What was found out so far, also where a call has raised."""

    async def take(self, places: Mapping[int, Place], *, mode: Mode) -> None:
        """See to these places, as far as that is possible now. Raises what `GraphClient.send` raises."""
        self._places = places
        app = await self._catalog.app_in(self._tenant)
        if isinstance(app, InstallState):
            self._end(places, app)
            return
        found = await self._look(places, app)
        there = {place: one for place, one in found.items() if one is not None}
        missing = [place for place in found if place not in there]
        if mode is Mode.REMOVE:
            self._end(missing, InstallState.REMOVED)
            await self._remove(there)
            return
        if mode is Mode.UPGRADE:
            there = await self._upgrade(there, app)
        there |= await self._install(missing, app)
        await self._learn_chats(there)

    async def _look(self, places: Iterable[int], app: TeamsApp) -> dict[int, Installation | None]:
        """Who has the app; those of whom nobody can tell have their end."""
        asked = {place: find_installation(self._places[place], app) for place in places}
        return self._sorted_out(await self._ask(asked), installation_in)

    async def _install(self, missing: Sequence[int], app: TeamsApp) -> dict[int, Installation]:
        """Install the app; the installations of the people among those who have it now."""
        if not missing or not await self._may_go_on():
            return {}
        asked = {one: install(self._places[one], app.catalog_id, graph_url=self._bind_url) for one in missing}
        done = self._sorted_out(await self._ask(asked), _none_but_failures)
        people = [place for place in done if self._is_person(place)]
        self._end((place for place in done if place not in people), InstallState.INSTALLED)
        # The bot is told of an install as well, and mostly sooner than Graph's lists.
        unheard = await self._unheard(people)
        if not unheard or not await self._may_go_on():
            return {}
        found = await self._look(unheard, app)
        for place, installation in found.items():
            if installation is None:
                self.ends[place] = Ended(state=InstallState.WAITING, why=Why.LISTS_LAG)
        return {place: installation for place, installation in found.items() if installation is not None}

    async def _upgrade(self, there: Mapping[int, Installation], app: TeamsApp) -> dict[int, Installation]:
        """Bring older installations to the catalogue's version; those that are up to date by now."""
        if not there or not await self._may_go_on():
            return {}
        answer = await self._graph.send(self._tenant, find_versions(app.catalog_id))
        newest = newest_version_in(answer)
        if isinstance(newest, InstallState):
            why = Why.VERSIONS_REFUSED if newest is InstallState.CONSENT_MISSING else None
            self.ends |= dict.fromkeys(there, Ended(state=newest, retry_after=answer.retry_after, why=why))
            return {}
        older = {place: one for place, one in there.items() if is_older(one.version, newest)}
        asked = {place: upgrade(self._places[place], one.id) for place, one in older.items()}
        done = self._sorted_out(await self._ask(asked), _upgraded)
        return {place: one for place, one in there.items() if place not in older or place in done}

    async def _remove(self, there: Mapping[int, Installation]) -> None:
        if not there or not await self._may_go_on():
            return
        asked = {place: uninstall(self._places[place], one.id) for place, one in there.items()}
        self._end(self._sorted_out(await self._ask(asked), _removed), InstallState.REMOVED)

    async def _learn_chats(self, there: Mapping[int, Installation]) -> None:
        """The ends of those who have the app: people's with their chats, which Teams makes a while after an install."""
        people = {place: one for place, one in there.items() if self._is_person(place)}
        self._end((place for place in there if place not in people), InstallState.INSTALLED)
        if not people or not await self._may_go_on():
            return
        answers = await self._ask({place: chat_of(self._places[place], one.id) for place, one in people.items()})
        for place, response in answers.items():
            chat = chat_id_in(response)
            if isinstance(chat, InstallState):
                self.ends[place] = Ended(state=chat, retry_after=response.retry_after)
            else:
                self.ends[place] = Ended(state=InstallState.INSTALLED, chat=chat)

    async def _ask(self, requests: Mapping[int, Request]) -> dict[int, Response]:
        answers = await self._graph.send_all(self._tenant, list(requests.values()))
        return dict(zip(requests, answers, strict=True))

    def _sorted_out(
        self, answers: Mapping[int, Response], read: Callable[[Response], Told]
    ) -> dict[int, Installation | None]:
        """What was told of those who did not fail; those who did have their end."""
        found = dict[int, Installation | None]()
        for place, response in answers.items():
            told = read(response)
            if isinstance(told, InstallState):
                self.ends[place] = Ended(state=told, retry_after=response.retry_after)
            else:
                found[place] = told
        return found

    def _end(self, places: Iterable[int], state: InstallState) -> None:
        for place in places:
            self.ends[place] = Ended(state=state)

    def _is_person(self, place: int) -> bool:
        return self._places[place].kind is PlaceKind.USER


def _none_but_failures(response: Response) -> Told:
    """None where the app was installed by this call, or was there already."""
    state = failure_of(response)
    return None if state is InstallState.INSTALLED else state


def _upgraded(response: Response) -> Told:
    """None where it is up to date now. A 404 tells that the installation is gone: it is looked for again."""
    return InstallState.WAITING if response.status == 404 else _none_but_failures(response)


def _removed(response: Response) -> Told:
    """None where it is gone, by this call or before. A 409 is no success here: somebody else is at it."""
    if response.status == 409:
        return InstallState.WAITING
    return None if response.status == 404 else _none_but_failures(response)
