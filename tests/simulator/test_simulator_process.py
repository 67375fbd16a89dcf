"""The stand-in as a process, steered by control."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from simulator.control import Control, ControlError

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def a_process(*arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, Any]]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulator", *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield process, orjson.loads(await process.stdout.readline())
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def test_process_says_when_it_is_ready_and_stops_by_signal() -> None:
    async with a_process("--app-id", "app", "--app-password", "secret", "--tenant", "contoso") as (process, addresses):
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            code = await process.wait()

    assert code == 0
    assert not await asyncio.to_thread(Path(addresses["ca_file"]).exists)
    host = addresses["service_url"].split("/")[2]
    assert addresses["environment"] == {
        "MicrosoftAppId": "app",
        "MicrosoftAppPassword": "secret",
        "MicrosoftAppTenantId": "contoso",
        "MicrosoftAppType": "SingleTenant",
        "HERALD_ALLOWED_TENANTS": "contoso",
        "HERALD_SERVICE_HOSTS": host,
        "HERALD_SERVICE_URL": f"http://{host}/teams/",
        "HERALD_LOGIN_URL": addresses["login_url"],
        "HERALD_OPENID_METADATA_URL": addresses["login_url"] + "/v1/.well-known/openidconfiguration",
        "HERALD_GRAPH_URL": addresses["login_url"] + "/v1.0",
        "REQUESTS_CA_BUNDLE": addresses["ca_file"],
        "SSL_CERT_FILE": addresses["ca_file"],
    }


async def test_control_leads_a_send_from_install_to_ledger() -> None:
    async with a_process("--rate", "0") as (_, addresses), Control(addresses["control_url"]) as control:
        people = await control.add_people(3)
        await control.install(people, notify=False)
        headers = {"Authorization": f"Bearer {await control.call('bearer')}"}
        await control.misbehave("answer", status=503, people=people[:1])
        async with aiohttp.ClientSession(headers=headers) as session:
            for person in people:
                url = f"{addresses['service_url']}v3/conversations/{person.chat_id}/activities"
                async with session.post(url, json={"type": "message", "text": "hello"}):
                    pass

        summary = await control.wait_for_deliveries(2, timeout_s=5)
        assert (summary.deliveries, summary.by_status) == (2, {"201": 2, "503": 1})
        assert await control.ledger_people() == {person.object_id: 1 for person in people[1:]}
        assert [entry.person async for entry in control.ledger_entries(after=1)] == [people[2].object_id]
        assert (await control.person(people[0])).installed
        await control.clear_ledger()
        assert (await control.ledger_summary()).requests == 0


async def test_mistakes_are_told_in_a_sentence() -> None:
    async with a_process() as (_, addresses), Control(addresses["control_url"]) as control:
        with pytest.raises(ControlError, match="There is no verb dance"):
            await control.call("dance")
        with pytest.raises(ControlError, match="Nobody is known as nobody"):
            await control.say("nobody", "hello")
        with pytest.raises(ControlError, match="A fault has no colour"):
            await control.misbehave(colour="red")
        with pytest.raises(TimeoutError, match="0 of 1 messages"):
            await control.wait_for_deliveries(1, timeout_s=0.05)
