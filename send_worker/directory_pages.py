"""The audience's sources that are read from Microsoft Graph, page by page: members of groups, and everybody.

A token is where Graph's own link leads, for groups with the group before it: `<group> <path>`. Without a path the
group is read from its start. So a plan goes on at any page, in any process.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Protocol

from shared.domain.audience import Audience, Source
from shared.domain.pages import Page
from shared.domain.recipients import RecipientKind, recipient_key
from shared.errors import (
    DirectoryRefused,
    DirectoryUnavailable,
    PageExpired,
    ServiceHostRefused,
    TokenRefused,
    TokenUnavailable,
)
from shared.graph.directory import People, Trouble, everybody, members_of, page_at, people_in
from shared.graph.protocol import Request, Response

LONGEST_LINK = 30_000
"""Characters. A token is one property of the cursor's row, which takes 32 K; Graph's links have some hundreds."""


class Graph(Protocol):
    """What is needed of a `GraphClient`."""

    async def send(self, tenant: str, request: Request) -> Response:
        """Send a request and answer its response."""

    async def renew(self, tenant: str) -> None:
        """Have the next request fetch a new token."""

    def next_page(self, request: Request, response: Response) -> Request | None:
        """The request for the page after this one; None after the last."""


class DirectoryPages:
    """Reads groups and the tenant from Graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    async def page(self, tenant: str, audience: Audience, source: Source, token: str) -> Page:
        """A page of the source. Raises DirectoryError, and StorageError where the pace cannot be read."""
        if source is Source.TENANT:
            read = await self._read(tenant, everybody(), path=token, start="")
            if read is None:
                raise DirectoryRefused("404")
            return _page(*read)
        group, _, path = token.partition(" ")
        group = group or audience.groups[0]
        following = _start_after(group, audience.groups)
        read = await self._read(tenant, members_of(group), path=path, start=f"{group} ")
        if read is None:
            return Page(unknown_group=group, token=following)
        people, link = read
        return _page(people, f"{group} {link}" if link else following)

    async def _read(self, tenant: str, first: Request, *, path: str, start: str) -> tuple[People, str] | None:
        """The people on a page, and where the link to the next one leads; None where there is no such group."""
        request = page_at(path) if path else first
        try:
            response = await self._graph.send(tenant, request)
            found = people_in(response, by_link=bool(path))
            if found is Trouble.REFUSED:
                await self._graph.renew(tenant)
            following = self._graph.next_page(request, response)
        except TokenUnavailable as error:
            raise DirectoryUnavailable("TokenUnavailable") from error
        except (TokenRefused, ServiceHostRefused) as error:
            raise DirectoryRefused(type(error).__name__) from error
        if found is Trouble.NOT_FOUND:
            return None
        if found is Trouble.LINK_EXPIRED:
            raise PageExpired(start)
        told = f"{response.status} {response.code}".strip()
        if found is Trouble.WAITING:
            raise DirectoryUnavailable(told, retry_after=response.retry_after)
        link = following.path if following else ""
        if isinstance(found, Trouble) or len(link) > LONGEST_LINK:
            raise DirectoryRefused(told)
        return found, link


def _start_after(group: str, groups: Sequence[str]) -> str:
    """The token of the group behind this one; empty behind the last. Groups are sorted."""
    place = bisect_right(groups, group)
    return f"{groups[place]} " if place < len(groups) else ""


def _page(people: People, token: str) -> Page:
    keys = [recipient_key(RecipientKind.USER, one) for one in people.members]
    skipped = {recipient_key(RecipientKind.USER, one): why for one, why in people.skipped.items()}
    return Page(keys=keys, token=token, skipped=skipped)
