"""People by sign-in name or mail: whom the names of an audience stand for."""

from bisect import bisect_right
from collections.abc import Sequence

from shared.domain.pages import Page, Trouble
from shared.domain.recipients import RecipientKind, identifier_of, is_name, recipient_key
from shared.graph.directory_calls import DirectoryCalls
from shared.graph.kinds import Kind, most_at_once
from shared.graph.names import MOST_NAMES, NameKind, find_people, ids_in

AT_ONCE = MOST_NAMES * most_at_once(Kind.DIRECTORY)
"""Names on a page: those of one JSON batch of Graph."""


class NamedPeople:
    """Looks names up in the directory. Who is not there keeps a key of its own, `name!...`."""

    def __init__(self, calls: DirectoryCalls) -> None:
        self._calls = calls

    async def page(self, tenant: str, names: Sequence[str], token: str) -> Page:
        """The recipients of the names behind `token`, the last name before. `names` are keys, sorted, some of ids."""
        start = bisect_right(names, token) if token else 0
        page = names[start : start + AT_ONCE]
        return Page(keys=await self.resolve(tenant, page), token=page[-1] if start + AT_ONCE < len(names) else "")

    async def resolve(self, tenant: str, keys: Sequence[str]) -> list[str]:
        """Recipient keys with those of names replaced by those of their people, as far as these are found.

        A name is looked for among the sign-in names first, then as a mail. Raises DirectoryError.
        """
        names = [identifier_of(key) for key in keys if is_name(key)]
        found = await self._find(tenant, names, by=NameKind.UPN)
        found |= await self._find(tenant, [name for name in names if name not in found], by=NameKind.MAIL)
        people = {name: recipient_key(RecipientKind.USER, object_id) for name, object_id in found.items()}
        return [people.get(identifier_of(key), key) if is_name(key) else key for key in keys]

    async def _find(self, tenant: str, names: Sequence[str], *, by: NameKind) -> dict[str, str]:
        pieces = [names[start : start + MOST_NAMES] for start in range(0, len(names), MOST_NAMES)]
        answers = await self._calls.send(tenant, [find_people(piece, by=by) for piece in pieces]) if pieces else []
        found: dict[str, str] = {}
        for answer in answers:
            ids = ids_in(answer, by=by)
            if isinstance(ids, Trouble):
                self._calls.fail(tenant, ids, answer)
            found |= ids
        return found
