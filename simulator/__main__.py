"""`python -m simulator`: the stand-in as a process, until SIGTERM or SIGINT."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import orjson

from simulator.config import Config
from simulator.standin import StandIn


def parse(arguments: Sequence[str] | None = None) -> Config:
    """The configuration that a command line asks for."""
    usual = Config()
    parser = argparse.ArgumentParser(prog="python -m simulator", description="A stand-in for Teams on loopback.")
    parser.add_argument("--port", type=int, default=0, help="of Connector and control (http); 0 takes a free one")
    parser.add_argument("--login-port", type=int, default=0, help="of Entra, OpenID metadata and Graph (https)")
    parser.add_argument("--app-id", default=usual.app_id)
    parser.add_argument("--app-password", default=usual.app_password)
    parser.add_argument("--tenant", dest="tenant_id", default=usual.tenant_id)
    parser.add_argument("--other-tenant", dest="other_tenants", action="append", default=[], help="may be repeated")
    parser.add_argument("--multi-tenant", action="store_true", help="let the app get tokens from botframework.com")
    parser.add_argument("--rate", type=float, default=usual.rate, help="requests per second per tenant; 0: no limit")
    parser.add_argument("--depth", type=int, default=usual.depth, help="requests at once")
    parser.add_argument("--no-conversation-limits", dest="conversation_limits", action="store_false")
    parser.add_argument("--no-graph-limits", dest="graph_limits", action="store_false")
    parser.add_argument("--manifest-id", default=usual.manifest_id, help="the app's id in its manifest")
    parser.add_argument("--seed", type=int, default=usual.seed, help="of ids and of random faults")
    parser.add_argument("--bot-endpoint", help="such as http://127.0.0.1:7071/api/messages")
    parser.add_argument("--ca-file", type=Path, help="where to write the CA; a temporary file unless given")
    options = vars(parser.parse_args(arguments))
    options["other_tenants"] = tuple(options["other_tenants"])
    return replace(usual, **options)


async def run(config: Config) -> None:
    """Serve until a signal comes; one line of JSON on stdout says that all is ready."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with StandIn(config) as teams:
        sys.stdout.write(orjson.dumps(teams.addresses).decode() + "\n")
        sys.stdout.flush()
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(run(parse()))
