"""Time that has passed, by the event loop's monotonic clock: for budgets and for a holder's own deadline."""

import asyncio


def monotonic() -> float:
    """Seconds of the running loop, which never jump; a test's loop may run faster than the world."""
    return asyncio.get_running_loop().time()
