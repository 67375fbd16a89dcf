"""Tells the bot what Graph changed, shortly after Graph's answer."""

import asyncio
from dataclasses import dataclass, field

from simulator.graph.call import Change
from simulator.installing import Installing
from simulator.places import Person, Team
from simulator.world import World


@dataclass(slots=True)
class Announcer:
    """Posts the events of installations. Nothing is posted where there is no bot yet."""

    world: World
    installing: Installing
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def announce(self, change: Change) -> None:
        """Have the bot told, if it is to be told at all."""
        if not self.world.graph.habits.notify:
            return
        task = asyncio.create_task(self._tell(change))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Post no more."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _tell(self, change: Change) -> None:
        await asyncio.sleep(self.world.graph.habits.notify_delay_s)
        if self.world.bot_endpoint is None:
            return
        holder, added = change.holder, change.action == "add"
        if isinstance(holder, Person):
            await (self.installing.tell_installed if added else self.installing.tell_uninstalled)(holder)
            return
        # Graph acts as the app; the activity still comes from somebody who is there.
        actor = next(iter(holder.members.values()), None)
        if actor is None:
            return
        if isinstance(holder, Team):
            tell = self.installing.tell_installed_in_team if added else self.installing.tell_uninstalled_from_team
            await tell(holder, actor)
            return
        tell_chat = self.installing.tell_installed_in_chat if added else self.installing.tell_uninstalled_from_chat
        await tell_chat(holder, actor)
