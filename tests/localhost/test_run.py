"""`dev.py run` says in one line what keeps it from starting."""

import asyncio
import socket
import sys

import pytest

from localhost.processes import free_port
from localhost.tools import ROOT


@pytest.mark.parametrize("option", ["--port", "--playground-port"])
async def test_a_port_that_is_taken_is_named_in_one_line(option: str) -> None:
    ports = {"--port": free_port(), "--playground-port": free_port()}
    with socket.socket() as other:
        other.bind(("127.0.0.1", ports[option]))
        other.listen()
        run = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "localhost.run", *(f"{name}={port}" for name, port in ports.items())],
            cwd=ROOT,
            stderr=asyncio.subprocess.PIPE,
        )
        _, told = await run.communicate()

    assert run.returncode == 1
    assert told.decode() == (
        f"port {ports[option]} cannot be used (Address already in use): "
        f"end what listens there, or choose another by {option}\n"
    )
