"""`python -m localhost`: serve an app until a signal, having said on stdout where.

The one line on stdout is `{"url": ..., "functions": [...]}`; logs go to stderr.
"""

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from pathlib import Path

from localhost.environment import load_local_settings
from localhost.functions import load_app
from localhost.host import Host, Listening
from localhost.host_json import read_host_json


def main() -> None:
    """Run the host as a process."""
    parser = argparse.ArgumentParser(prog="python -m localhost", description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, default=7071, help="the port to listen on; 0 takes a free one")
    parser.add_argument("--app", default="function_app", help="the module that holds `app`")
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the app's folder, with its host.json")
    parser.add_argument("--state", type=Path, help="where timers keep their status; default <root>/.herald/localhost")
    parser.add_argument("--check-keys", metavar="KEY", help="ask for this function key, which Core Tools do not")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # The storage library logs each request at INFO: on one machine that costs more than the request.
    logging.getLogger("azure").setLevel(logging.WARNING)
    root = arguments.root.resolve()
    load_local_settings(root)
    os.chdir(root)
    listening = Listening(
        port=arguments.port,
        key=arguments.check_keys,
        state=(arguments.state or root / ".herald" / "localhost").resolve(),
    )
    asyncio.run(serve(module=arguments.app, root=root, listening=listening))


async def serve(*, module: str, root: Path, listening: Listening) -> None:
    """Serve until SIGINT or SIGTERM."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with Host(load_app(module, root), options=read_host_json(root), listening=listening) as host:
        print(json.dumps({"url": host.url, "functions": sorted(host.functions)}), flush=True)
        await stopped.wait()


if __name__ == "__main__":
    main()
