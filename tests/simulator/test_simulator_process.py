"""The stand-in as a process, steered by control."""

import asyncio
import signal
import ssl
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


async def test_control_sets_graph_and_reads_what_it_was_asked() -> None:
    async with a_process("--no-graph-limits") as (_, addresses), Control(addresses["control_url"]) as control:
        adele, bruno = await control.add_people(2)
        await control.call("change_people", people=[bruno], licensed=False)
        cooks = await control.call("add_group", name="Cooks", members=[bruno])
        await control.call("add_group", name="Kitchen", members=[adele], groups=[cooks["id"]])
        app = await control.call("set_catalog", version="1.1.0")
        await control.call("set_graph", listing_lag_s=0.5)
        await control.call("refuse_installs", reason="transient", people=[adele], times=1)
        headers = {"Authorization": f"Bearer {await control.call('bearer', audience='https://graph.microsoft.com')}"}
        bound = {"teamsApp@odata.bind": f"{addresses['graph_url']}/appCatalogs/teamsApps/{app['id']}"}
        context = ssl.create_default_context(cafile=addresses["ca_file"])
        statuses = []
        async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(ssl=context)) as session:
            for person in (adele, adele, adele, bruno):
                url = f"{addresses['graph_url']}/users/{person.object_id}/teamwork/installedApps"
                async with session.post(url, json=bound) as response:
                    statuses.append(response.status)

        assert statuses == [400, 201, 409, 403]
        holdings = await control.installations()
        assert (holdings[adele.object_id].installs, holdings[adele.object_id].install_requests) == (1, 3)
        assert (holdings[adele.object_id].version, holdings[bruno.object_id].installed) == ("1.1.0", False)
        summary = await control.graph_summary()
        assert summary.answers == {"install": {"201": 1, "400": 1, "403": 1, "409": 1}}
        with pytest.raises(ControlError, match="not a valid Reason"):
            await control.call("refuse_installs", reason="boredom")


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
