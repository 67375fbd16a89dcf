"""Passing on: what was wished of a parent reaches its children, whatever breaks off in between.

The parent's head is written first. Bringing the children to its state can be repeated at any time, and the planner does
so each minute; so a wish whose process died is a minute late. A child's revision is the parent's to which it has come.
"""

from shared.domain.broadcasts import Broadcast, PauseReason
from shared.families import Families
from shared.nudging import Nudging
from shared.ports import Clock
from shared.storage.broadcasts import Broadcasts
from shared.storage.directory import Directory

TRIES = 5
"""So many wishes may come while one is passed on; the planner does the rest."""


class PassingOn:
    """Brings children to their parent's state."""

    def __init__(
        self, store: Broadcasts, families: Families, directory: Directory, *, nudging: Nudging, clock: Clock
    ) -> None:
        self._store = store
        self._families = families
        self._directory = directory
        self._nudging = nudging
        self._clock = clock

    async def pass_on(self, parent_id: str) -> None:
        """Have each child cancelled, paused, let go on, edited and recalled as its parent is."""
        for _ in range(TRIES):
            parent = await self._store.head(parent_id)
            for child in await self._families.heads(parent_id):
                await self._bring(child, parent)
            # A wish that came meanwhile may have been passed on already, and undone here by the older one.
            if _wishes(await self._store.head(parent_id)) == _wishes(parent):
                return

    async def resume(self, parent_id: str) -> bool:
        """Let children go on, whatever they were held for; whether one was held."""
        was_held = False
        for child in await self._families.heads(parent_id):
            if child.paused is not None and await self._store.changes.resume(child.id):
                await self._wake(child.id)
                was_held = True
        return was_held

    async def _bring(self, child: Broadcast, parent: Broadcast) -> None:
        if parent.cancelled_at is not None and child.cancelled_at is None and child.finished_at is None:
            await self._cancel(child)
        if child.revision < parent.revision:
            await self._revise(child.id, parent)
        by_request = PauseReason.BY_REQUEST
        if parent.paused is by_request and child.paused is not by_request:
            await self._store.changes.pause(child.id, by_request, at=self._clock.now())
        is_let_go = parent.paused is None and child.paused is by_request
        if is_let_go and await self._store.changes.resume(child.id, reason=by_request):
            await self._wake(child.id)

    async def _cancel(self, child: Broadcast) -> None:
        now = self._clock.now()
        await self._store.changes.cancel(child.id, at=now)
        if child.wait(now):
            await self._directory.open_if_closed(child.id, tenant=child.tenant, opened_at=now)

    async def _revise(self, child_id: str, parent: Broadcast) -> None:
        """Begin the parent's newest revision, whatever lies between it and the child's."""
        child = await self._store.head(child_id)
        if child.revision >= parent.revision:
            return
        content = None if parent.recalled else await self._store.content(parent.id, parent.revision)
        now, number = self._clock.now(), parent.revision
        await self._directory.open(child.id, tenant=child.tenant, opened_at=now, revision=number)
        if await self._store.changes.revise(child, content=content, at=now, number=number):
            await self._wake(child.id)

    async def _wake(self, child_id: str) -> None:
        child = await self._store.head(child_id)
        await self._nudging.wake(child, (await self._store.cursor(child_id)).cursor)


def _wishes(parent: Broadcast) -> tuple[object, ...]:
    return parent.cancelled_at, parent.paused, parent.revision
