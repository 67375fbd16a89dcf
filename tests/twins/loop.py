"""An event loop whose clock jumps to the next timer instead of waiting for it: hours pass in milliseconds."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time stands still while anything can run, and then jumps. Nothing below it may wait for a real socket."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual_now = 0.0
        # After some two hundred days a float has not the nanoseconds left by which a timer would be due.
        self._clock_resolution = 1e-6
        wait_for_real = self._selector.select  # type: ignore[attr-defined]  # asyncio's own attribute, stable since 3.4.

        def select(timeout: float | None = None) -> Any:
            if timeout is None:
                raise RuntimeError("every task waits for something that never comes")
            self._virtual_now += timeout
            return wait_for_real(0)

        self._selector.select = select  # type: ignore[attr-defined]

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._virtual_now


def run_virtually(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
