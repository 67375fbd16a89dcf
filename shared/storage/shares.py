"""The shares of a parent: which recipients get the message at which instant, as the steps of its split found them."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

from shared.domain.audience import Shared
from shared.domain.pages import Page
from shared.ports import Table
from shared.storage import broadcast_rows as codec
from shared.storage.broadcast_keys import AFTER, share_key
from shared.storage.rows import Operation, insert

MOST_ROWS = 10
"""Rows of a page: up to ten thousand recipients."""
_USERS = "user!"


class Shares:
    """Reads shares. They are written by the steps of a plan alone."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def page(self, shared: Shared, *, kind: str = "", token: str) -> Page:
        """Some recipients of an instant from `token` on; `kind` is `user` for people, `text` for all else.

        Without it both are meant.
        """
        prefix = share_key(shared.at)
        start = f"{token}\x20" if token else prefix
        rows = self._table.scan(shared.parent, start=start, end=prefix + AFTER, limit=MOST_ROWS)
        keys, last, read = list[str](), "", 0
        async for row in rows:
            found, part = codec.unpack_run(row.values)
            if kind in ("", found):
                keys += part
            last, read = row.key, read + 1
        return Page(keys=keys, token=last if read == MOST_ROWS else "")

    async def people(self, shared: Shared) -> AsyncIterator[str]:
        """Yield the people of an instant in the order in which the split of a digest found them, that of their keys."""
        token, is_last = "", False
        while not is_last:
            page = await self.page(shared, token=token)
            for key in page.keys:
                yield key
            token, is_last = page.token, not page.token


def share_rows(shares: Mapping[int, Sequence[str]], *, first: int) -> list[Operation]:
    """The rows of keys by instant, numbered from `first` on: people apart from all else, packed as runs are.

    People come last, as their keys do behind names that nobody has.
    """
    rows = list[Operation]()
    for at, keys in shares.items():
        for kind, some in _by_kind(keys):
            for values in codec.pack_run(kind, some):
                rows.append(insert(share_key(at, first + len(rows)), values))
    return rows


def _by_kind(keys: Sequence[str]) -> Iterable[tuple[str, list[str]]]:
    people = [key for key in keys if key.startswith(_USERS)]
    others = [key for key in keys if not key.startswith(_USERS)]
    return [(kind, some) for kind, some in (("text", others), ("user", people)) if some]
