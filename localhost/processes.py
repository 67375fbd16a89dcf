"""A child process: started, waited for until it says on stdout that it is ready, and ended for certain.

A child leads a process group of its own, so that Ctrl-C at a terminal reaches only the parent, which then ends its
children in its own order. On Linux the kernel kills a child whose parent died; elsewhere the interpreter's exit does.
"""

import atexit
import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None

# Asking a child twenty milliseconds apart costs nothing and adds little to its start.
_POLL = 0.02


class ChildDiedError(Exception):
    """A child ended before it was ready, or never became ready: the end of its log tells why."""

    def __init__(self, name: str, fate: str, log: str) -> None:
        super().__init__(f"{name} {fate}:\n{log}")
        self.name = name
        self.log = log


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Child:
    """One child process. `start` may be called again after `terminate` or `kill`; logs are appended to."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        name: str,
        log: Path,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._command = list(command)
        self._environment = environment
        self._folder = folder
        self._stdout = log.with_suffix(".out")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Return the id of the process that runs, or ran last."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was never started")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start the process; call it from a thread that lives as long as the child shall."""
        if self.running:
            raise RuntimeError(f"{self.name} runs already")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        # Stdout goes to a file and not to a pipe, so that nobody need drain it after the first line.
        with self._stdout.open("wb") as stdout, self.log.open("ab") as stderr:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=self._folder,
                env=None if self._environment is None else dict(self._environment),
                process_group=0,
                preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509 - One system call, its library loaded beforehand.
            )
        _CHILDREN.add(self)
        return self

    def wait_until(self, is_ready: Callable[[], bool], *, timeout: float) -> None:
        """Wait up to `timeout` seconds until a question is answered yes; raise ChildDiedError."""
        deadline = time.monotonic() + timeout
        while not is_ready():
            if not self.running:
                code = self._process.returncode if self._process is not None else None
                raise ChildDiedError(self.name, f"ended with code {code} before it was ready", self.log_tail())
            if time.monotonic() > deadline:
                raise ChildDiedError(self.name, f"was not ready within {timeout:g} s", self.log_tail())
            time.sleep(_POLL)

    def announcement(self, *, timeout: float = 30.0) -> dict[str, Any]:
        """Wait for the process's first line on stdout and return the JSON object that it holds."""
        self.wait_until(lambda: b"\n" in self._stdout.read_bytes(), timeout=timeout)
        value: dict[str, Any] = json.loads(self._stdout.read_bytes().partition(b"\n")[0])
        return value

    def terminate(self, *, timeout: float = 10.0) -> int | None:
        """Ask the process to end, kill it if it does not, and return its code."""
        if self._process is None:
            return None
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return self.kill()
        _CHILDREN.discard(self)
        return self._process.returncode

    def kill(self) -> int | None:
        """Kill the process, as a crash would, and return its code."""
        if self._process is None:
            return None
        self._signal(signal.SIGKILL)
        self._process.wait()
        _CHILDREN.discard(self)
        return self._process.returncode

    def _signal(self, number: signal.Signals) -> None:
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def log_tail(self, lines: int = 30) -> str:
        """Return the end of the log."""
        with contextlib.suppress(FileNotFoundError):
            return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
        return ""


_CHILDREN: set[Child] = set()


def _die_with(parent: int) -> Callable[[], None] | None:
    """Return what makes a child die with its parent, to be called in the child before its program starts."""
    libc = _LIBC
    if libc is None:
        return None

    def arrange() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)

    return arrange


@atexit.register
def _end_children() -> None:
    for child in list(_CHILDREN):
        child.terminate(timeout=2.0)
