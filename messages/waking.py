"""Waking a tenant's broadcasts after something that held all of them is over."""

from shared.errors import BroadcastNotFound
from shared.nudging import Nudging
from shared.storage.broadcasts import Broadcasts
from shared.storage.directory import Directory


class Waking:
    """Nudges what stands still. What it leaves out, and what breaks off here, the sweep wakes within a minute."""

    def __init__(self, broadcasts: Broadcasts, directory: Directory, nudging: Nudging) -> None:
        self._broadcasts = broadcasts
        self._directory = directory
        self._nudging = nudging

    async def wake(self, tenant: str) -> None:
        """Wake each of the tenant's broadcasts that has not ended."""
        for opened in await self._directory.open_broadcasts():
            if opened.tenant == tenant:
                await self._wake(opened.broadcast_id)

    async def _wake(self, broadcast_id: str) -> None:
        try:
            broadcast = await self._broadcasts.head(broadcast_id)
            await self._nudging.wake(broadcast, (await self._broadcasts.cursor(broadcast_id)).cursor)
        except BroadcastNotFound:
            return
