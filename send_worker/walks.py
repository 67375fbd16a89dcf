"""Walks: the recipients of a plan in the order of their keys, each once, from where its cursor stands."""

from collections.abc import Sequence
from typing import Protocol

from shared.domain.batches import Recipient
from shared.domain.broadcasts import Broadcast
from shared.domain.cursors import Cursor
from shared.domain.plans import leave_out
from shared.storage.rows import Operation
from shared.storage.runs import Runs

MIXED = "mixed"
"""The kind of a run whose keys may stand in any other one."""


class Lookup(Protocol):
    """Finds what is known of recipients."""

    async def recipients(self, tenant: str, keys: Sequence[str]) -> list[Recipient]:
        """The recipients in the order of their sorted keys."""


class Walk(Protocol):
    """The recipients that a plan has yet to write."""

    @property
    def is_through(self) -> bool:
        """Whether nobody is left."""

    async def ahead(self, most: int) -> Sequence[Recipient]:
        """The next ones, at most so many; maybe none before the end."""

    def beside(self, recipients: Sequence[Recipient]) -> Sequence[Operation]:
        """What belongs into the step that writes these recipients, who came with the last call of `ahead`."""


class RunWalk:
    """Walks the run that was collected last, without those whom an earlier run holds or who are to be left out."""

    def __init__(self, tenant: str, keys: Sequence[str], lookup: Lookup) -> None:
        self._tenant = tenant
        self._keys = keys
        self._lookup = lookup
        self._position = 0

    @property
    def is_through(self) -> bool:
        """Whether nobody is left."""
        return self._position >= len(self._keys)

    async def ahead(self, most: int) -> Sequence[Recipient]:
        """The next ones, at most so many."""
        keys = self._keys[self._position : self._position + most]
        self._position += len(keys)
        return await self._lookup.recipients(self._tenant, keys)

    def beside(self, recipients: Sequence[Recipient]) -> Sequence[Operation]:  # noqa: ARG002 - a walk's form
        """Nothing."""
        return ()


async def walk_run(broadcast: Broadcast, cursor: Cursor, *, runs: Runs, lookup: Lookup) -> RunWalk:
    """The walk along a plan's last run, from where its cursor stands."""
    keys = [key for key in await _fresh_keys(broadcast.id, cursor, runs) if key > cursor.after]
    return RunWalk(broadcast.tenant, keys, lookup)


async def _fresh_keys(broadcast_id: str, cursor: Cursor, runs: Runs) -> list[str]:
    *earlier, last = cursor.run_names
    _, keys = await runs.read(broadcast_id, last)
    for name in cursor.except_runs.split() if cursor.kind != "text" else ():
        keys = leave_out(keys, [(await runs.read(broadcast_id, name))[1]])
    for name in earlier:
        # One earlier run at a time is in memory: at most a mebibyte of ids.
        kind, known = await runs.read(broadcast_id, name)
        if kind == cursor.kind or MIXED in (kind, cursor.kind):
            keys = leave_out(keys, [known])
    return keys
