"""A short chaos run: faults of Teams and of the queues that nothing need wait for a lease and a tick to get over.

Hosts and storage die in `python3 dev.py chaos` alone, which takes minutes.
"""

import pytest

from localhost.chaos.kinds import HARMLESS
from localhost.chaos.run import run

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_promises_hold_while_calls_and_messages_go_wrong() -> None:
    # Eight seconds of faults: whoever meets more of them in a row than that holds waits for the next tick.
    verdict = await run(seconds=12, seed=3, hosts=2, say=print, kinds=HARMLESS)

    assert [promise for promise in verdict.promises if not promise.held] == []
    assert verdict.recipients > 200
    assert sum(map(bool, verdict.struck.values())) > len(HARMLESS) / 2
