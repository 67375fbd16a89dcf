"""`dev.py run`: the app on this machine, with Azurite below it and the Agents Playground as the Teams client.

The stand-in for Teams gives the app its tokens and signs what the Playground sends; messages go straight to the
Playground. Everything ends with Ctrl-C.
"""

import argparse
import asyncio
import os
import signal
import socket
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from localhost.azurite import Azurite
from localhost.playground import Playground
from localhost.processes import Child, ChildDiedError
from localhost.settings_check import check_settings
from localhost.signing_proxy import Signer, SigningProxy
from localhost.tools import ROOT, ToolError
from simulator.standin import StandIn

GUIDE = """\
Herald      {app}
Playground  {playground}   (opening the page installs the bot for its person)
logs        {folder}

Send a message that then appears in the page:

  curl -X POST {app}/api/broadcasts -H "Content-Type: application/json" \\
    -d '{{"version": 1, "audience": {{"everyone": "installed"}}, "content": {{"text": "Hello from Herald"}}}}'

Stop with Ctrl-C."""


def main() -> int:
    """Run until a signal."""
    parser = argparse.ArgumentParser(prog="dev.py run", description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, default=7071, help="of the app; 0 takes a free one")
    parser.add_argument("--playground-port", type=int, default=56150, help="of the Playground's page")
    parser.add_argument("--app", default="function_app", help="the module that holds `app`")
    arguments = parser.parse_args()
    try:
        check_port(arguments.port, option="--port")
        check_port(arguments.playground_port, option="--playground-port")
        asyncio.run(run(port=arguments.port, playground_port=arguments.playground_port, app=arguments.app))
    except (ChildDiedError, ToolError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def check_port(port: int, *, option: str) -> None:
    """Return where a process can listen on a port; 0 is any. Raises ToolError, which names the option."""
    with socket.socket() as probe:
        # Servers do so as well: a port that was left a moment ago is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ToolError(
                f"port {port} cannot be used ({error.strerror}): end what listens there, or choose another by {option}"
            ) from error


async def run(*, port: int, playground_port: int, app: str) -> None:
    """Start everything, say where it is, and wait for SIGINT or SIGTERM."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with AsyncExitStack() as resources:
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="herald-run-")))
        teams = await resources.enter_async_context(StandIn())
        storage = await resources.enter_async_context(Azurite())
        proxy = await resources.enter_async_context(SigningProxy(signer_of(teams)))
        playground = await resources.enter_async_context(
            Playground(
                proxy.url,
                bot_id=teams.config.bot_id,
                tenant_id=teams.tenant_id,
                folder=folder / "playground",
                port=playground_port,
            )
        )
        environment = {
            **os.environ,
            **environment_of(teams, playground),
            "AzureWebJobsStorage": storage.connection_string,
        }
        await asyncio.to_thread(check_settings, environment)
        host = Child(
            [sys.executable, "-m", "localhost", "--port", str(port), "--app", app, "--state", str(folder / "timers")],
            name="host",
            log=folder / "host.log",
            environment=environment,
            folder=ROOT,
        )
        resources.push_async_callback(asyncio.to_thread, host.terminate)
        host.start()
        proxy.app_url = (await asyncio.to_thread(host.announcement))["url"]
        print(GUIDE.format(app=proxy.app_url, playground=playground.url, folder=folder), flush=True)
        await stopped.wait()


def environment_of(teams: StandIn, playground: Playground) -> dict[str, str]:
    """Return the app's environment: tokens from the stand-in, conversations with the Playground."""
    return teams.environment(
        HERALD_SERVICE_HOSTS=playground.url.removeprefix("http://"),
        HERALD_SERVICE_URL=playground.connector_url,
    )


def signer_of(teams: StandIn) -> Signer:
    """Return what signs tokens for any service URL with the key that the stand-in publishes."""

    def sign(service_url: str) -> str:
        claims = teams.client.claims(time.time()) | {"serviceurl": service_url}
        return teams.world.bot_keys.current.sign(claims)

    return sign


if __name__ == "__main__":
    sys.exit(main())
