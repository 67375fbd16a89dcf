"""The audience's sources that are read from Microsoft Graph, page by page: members of groups, and everybody.

A token is where Graph's own link leads, for groups with the group before it: `<group> <path>`. Without a path the
group is read from its start. So a plan goes on at any page, in any process.
"""

from shared.domain.audience import Audience, Source
from shared.domain.pages import Page, Trouble, start_after
from shared.domain.recipients import RecipientKind, recipient_key
from shared.errors import DirectoryRefused, PageExpired
from shared.graph.directory import People, everybody, members_of, page_at, people_in
from shared.graph.directory_calls import DirectoryCalls
from shared.graph.protocol import Request


class DirectoryPages:
    """Reads groups and the tenant from Graph."""

    def __init__(self, calls: DirectoryCalls) -> None:
        self._calls = calls

    async def page(self, tenant: str, audience: Audience, source: Source, token: str) -> Page:
        """A page of the source. Raises DirectoryError, and StorageError where the pace cannot be read."""
        if source is Source.TENANT:
            read = await self._read(tenant, everybody(), path=token, start="")
            if read is None:
                raise DirectoryRefused("404")
            return _page(*read)
        groups = audience.except_groups if source.is_exception else audience.groups
        group, _, path = token.partition(" ")
        group = group or groups[0]
        following = start_after(group, groups)
        read = await self._read(tenant, members_of(group), path=path, start=f"{group} ")
        if read is None:
            return Page(unknown=group, token=following)
        people, link = read
        return _page(people, f"{group} {link}" if link else following)

    async def _read(self, tenant: str, first: Request, *, path: str, start: str) -> tuple[People, str] | None:
        """The people on a page, and where the link to the next one leads; None where there is no such group."""
        request = page_at(path) if path else first
        (response,) = await self._calls.send(tenant, [request])
        found = people_in(response, by_link=bool(path))
        if found is Trouble.NOT_FOUND:
            return None
        if found is Trouble.LINK_EXPIRED:
            raise PageExpired(start)
        if isinstance(found, Trouble):
            self._calls.fail(tenant, found, response)
        return found, self._calls.link_in(request, response)


def _page(people: People, token: str) -> Page:
    keys = [recipient_key(RecipientKind.USER, one) for one in people.members]
    skipped = {recipient_key(RecipientKind.USER, one): why for one, why in people.skipped.items()}
    return Page(keys=keys, token=token, skipped=skipped)
