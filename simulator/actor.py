"""Somebody in Teams who tells the bot: what installing and talking have in common."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from simulator.activities import Activity, Bot
from simulator.botclient import BotClient, Posted, Tally
from simulator.places import Person
from simulator.world import World

CONCURRENCY = 32


class Actor:
    """Posts activities of one world by one client."""

    def __init__(self, world: World, client: BotClient) -> None:
        self._world = world
        self._client = client

    @property
    def bot(self) -> Bot:
        config = self._world.config
        return Bot(id=config.bot_id, name=config.app_name, service_url=self._world.service_url)

    def stamp(self) -> dict[str, Any]:
        """A new activity id and the present moment, as the makers of activities take them."""
        return {"id_": self._world.ids.next(), "at": datetime.now(UTC)}

    async def tell(self, *posts: Activity) -> Tally:
        """Post one after the other."""
        return Tally().add([await self._client.post(activity) for activity in posts])


async def for_all(
    people: Sequence[Person], one: Callable[[Person], Awaitable[list[Posted]]], concurrency: int
) -> Tally:
    """Act for all people, so many at a time."""
    tally, waiting = Tally(), iter(people)

    async def work() -> None:
        for person in waiting:
            tally.add(await one(person))

    async with asyncio.TaskGroup() as group:
        for _ in range(min(concurrency, len(people))):
            group.create_task(work())
    return tally
