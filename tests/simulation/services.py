"""The services that drop items for a digest in a storm, and who tells what is left when the storm is over."""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

import orjson

from shared.storage import names
from tests.simulation.asks import Ask
from tests.simulation.audiences import Meant
from tests.simulation.calling import Caller
from tests.simulation.clients import document_of, tell
from tests.simulation.drops import DIGEST, Drop, item_document
from tests.simulation.processes import Process
from tests.simulation.promises import Promises
from tests.simulation.storm import Storm
from tests.simulation.trace import Trace
from tests.twins.storage import MemoryAccount
from tests.twins.world import TENANT, object_id

LOOK_SECONDS = 5.0
LAST_NUMBER = 900
"""Numbers of asks from here on are those of digests that tell what is left."""
MOST_IN_VAIN = 6
"""So many digests in a row may tell nothing: each process may have a token that is older than the consent."""


class Services:
    """The services of one world. They are no part of the app, so nothing happens to them."""

    def __init__(
        self, storm: Storm, *, account: MemoryAccount, trace: Trace, promises: Promises, caller: Caller
    ) -> None:
        self._storm = storm
        self._account = account
        self._trace = trace
        self._promises = promises
        self._caller = caller

    def work(self) -> list[Coroutine[Any, Any, None]]:
        """What each of them does, to be run side by side."""
        drops = self._storm.drops
        work = [self._drop(drop, after=drop.at) for drop in drops]
        work += [self._drop(drop, after=drop.at + drop.again_after) for drop in drops if drop.again_after is not None]
        work += [self._remove(drop, drop.at + drop.removed_after) for drop in drops if drop.removed_after is not None]
        if self._storm.old_items_at is not None:
            work.append(self._remove_old(after=self._storm.old_items_at))
        return work

    async def tell_the_rest(self) -> None:
        """After the storm, tell the digest as often as anything waits that can be told; then remove what expired."""
        if not self._storm.drops:
            return
        number, in_vain, waiting = LAST_NUMBER, 0, self._promises.digests.waiting()
        while waiting and in_vain < MOST_IN_VAIN:
            await self._tell(Ask(number=number, at=0.0, by_queue=False, again_after=None, digest=DIGEST))
            left = self._promises.digests.waiting()
            in_vain = in_vain + 1 if left == waiting else 0
            number, waiting = number + 1, left
        if self._storm.old_items_at is None:
            await self._remove_old(after=0.0)

    async def _tell(self, ask: Ask) -> None:
        self._promises.asks[ask.key] = ask
        self._promises.meant[ask.key] = Meant(wanted=frozenset(), left_out=frozenset())
        await self._caller.until_answered(lambda process: tell(process, ask))
        until = asyncio.get_running_loop().time() + self._storm.patience
        seen = self._promises.by_key[ask.key]
        while seen.finished_at is None and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(LOOK_SECONDS)

    async def _drop(self, drop: Drop, *, after: float) -> None:
        await asyncio.sleep(after)
        audience: Mapping[str, Any] = {} if drop.whom is None else document_of(drop.whom)["audience"]
        body = orjson.dumps(item_document(drop, audience))
        if drop.by_queue:
            await self._account.queue(names.DIGEST_ITEM_QUEUE).put(body)
            return
        await self._caller.until_answered(lambda process: process.items.create(DIGEST, body, key_header=drop.title))

    async def _remove(self, drop: Drop, after: float) -> None:
        """Take an item away, or what has taken its place by then."""
        await asyncio.sleep(after)
        digests = self._promises.digests
        while drop.title not in digests.kept:
            await asyncio.sleep(1.0)
        row = digests.kept[drop.title]
        digests.wished_away.add(row)
        person = {} if drop.person is None else {"person": object_id(drop.person)}
        query = {"tenant": TENANT, **person}

        def remove(process: Process) -> Coroutine[Any, Any, object]:
            return process.items.remove(DIGEST, row.rpartition("!")[2], query)

        if await self._caller.until_answered(remove):
            self._trace.fault(asyncio.get_running_loop().time(), "service", "item_removal")

    async def _remove_old(self, *, after: float) -> None:
        """Have what expired removed, as `clean_up` does once a day."""
        await asyncio.sleep(after)
        await self._caller.until_answered(lambda process: process.old_items.run())
