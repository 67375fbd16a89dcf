"""Bugs planted where Graph is asked: audiences that are read from it, and the app that it gives to people."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from typing import NoReturn
from unittest.mock import patch

from install_worker import decisions as install_decisions
from install_worker import install_run
from send_worker import collecting, directory_pages
from shared.domain.audience import Audience, Source
from shared.domain.modes import Mode
from shared.domain.outcomes import Outcome
from shared.domain.pages import Page, Trouble
from shared.domain.recipients import is_name
from shared.domain.scopes import Scope
from shared.errors import DirectoryRefused, DirectoryUnavailable
from shared.graph.directory import People, people_in
from shared.graph.directory_calls import DirectoryCalls
from shared.graph.install_states import InstallState
from shared.graph.named_people import NamedPeople
from shared.graph.protocol import Response
from shared.storage import installations
from shared.storage.conversations import Conversations
from shared.storage.installations import Block, Installations


def expired_link_ends_the_list() -> AbstractContextManager[object]:
    """A link of Graph's that leads nowhere any more is taken for the end of its list."""

    def sorted_out(response: Response, *, by_link: bool) -> People | Trouble:
        found = people_in(response, by_link=by_link)
        return People() if found is Trouble.LINK_EXPIRED else found

    return patch.object(directory_pages, "people_in", sorted_out)


def later_pages_dropped() -> AbstractContextManager[object]:
    """A step that reads several pages keeps only whom the first one brought."""
    add = collecting._Found.add

    def blind(found: collecting._Found, page: Page) -> None:
        add(found, replace(page, keys=()) if found.pages else page)

    return patch.object(collecting._Found, "add", blind)


def skipped_counted_per_page() -> AbstractContextManager[object]:
    """Who is left out is counted on each page and in each group anew."""

    def all_of_them(keys: Sequence[str], _earlier: object) -> list[str]:
        return list(keys)

    return patch.object(collecting, "leave_out", all_of_them)


def exceptions_read_last() -> AbstractContextManager[object]:
    """Who is to be left out is read after the others were planned."""
    sources: property = vars(Audience)["sources"]

    def late(audience: Audience) -> tuple[Source, ...]:
        return tuple(sorted(sources.__get__(audience), key=lambda source: source.is_exception))

    return patch.object(Audience, "sources", property(late))


def unknown_exception_ignored() -> AbstractContextManager[object]:
    """A group that is to be left out, and that nobody knows, is taken for an empty one."""
    begin = collecting._Found.add

    def blind(found: collecting._Found, page: Page) -> None:
        begin(found, replace(page, unknown="") if found.source.is_exception else page)

    return patch.object(collecting._Found, "add", blind)


def unknown_names_dropped() -> AbstractContextManager[object]:
    """A name that nobody has is left out in silence."""
    resolve = NamedPeople.resolve

    async def known(people: NamedPeople, tenant: str, keys: Sequence[str]) -> list[str]:
        return [key for key in await resolve(people, tenant, keys) if not is_name(key)]

    return patch.object(NamedPeople, "resolve", known)


def token_kept_after_a_refusal() -> AbstractContextManager[object]:
    """Who may not read the directory goes on asking with the token that has no permission."""

    def nothing(_calls: DirectoryCalls, tenant: str, trouble: Trouble, response: Response) -> NoReturn:  # noqa: ARG001
        told = f"{response.status} {response.code}"
        raise DirectoryUnavailable(told) if trouble is Trouble.WAITING else DirectoryRefused(told)

    return patch.object(DirectoryCalls, "fail", nothing)


def mark_not_looked_at() -> AbstractContextManager[object]:
    """Two broadcasts give the same people the app, each as if it were alone."""
    return patch.object(installations, "_is_busy", lambda _row, _writer: False)


def missing_consent_is_final() -> AbstractContextManager[object]:
    """People are given up because an admin has not consented yet."""
    stack = ExitStack()
    stack.enter_context(patch.object(install_decisions, "BLOCKING", frozenset[InstallState]()))
    final = {InstallState.CONSENT_MISSING: Outcome.BLOCKED_BY_ADMIN}
    stack.enter_context(patch.dict(install_decisions.FINAL, final))
    return stack


def block_never_probed() -> AbstractContextManager[object]:
    """Nobody finds out that people can be given the app again."""

    async def never(_installations: Installations, _tenant: str, _scope: Scope, _block: Block) -> bool:
        return False

    return patch.object(Installations, "probe", never)


def deleted_chat_not_forgotten() -> AbstractContextManager[object]:
    """A chat that turned out to be deleted is kept for the next broadcast."""

    async def nothing(_conversations: Conversations, _tenant: str, _key: str, _conversation: str) -> None:
        return

    return patch.object(Conversations, "forget_conversation", nothing)


def known_installs_not_looked_at() -> AbstractContextManager[object]:
    """Whose chat is known has the app, so that nobody's is brought up to date, or removed."""
    return patch.object(install_run, "ALWAYS_LOOKED_AT", frozenset[Mode]())


BUGS_AROUND_GRAPH = (
    expired_link_ends_the_list,
    later_pages_dropped,
    skipped_counted_per_page,
    exceptions_read_last,
    unknown_exception_ignored,
    unknown_names_dropped,
    token_kept_after_a_refusal,
    mark_not_looked_at,
    missing_consent_is_final,
    block_never_probed,
    deleted_chat_not_forgotten,
    known_installs_not_looked_at,
)
