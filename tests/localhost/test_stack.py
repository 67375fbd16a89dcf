"""Azurite and the whole stack as processes: started, killed, started again, and gone."""

import json
from pathlib import Path

import pytest
from aiohttp import ClientSession
from azure.storage.queue import QueueClient

from localhost.azurite import Azurite
from localhost.stack import Stack
from localhost.tools import MANIFESTS
from tests.localhost.hosting import SAMPLE

pytestmark = pytest.mark.azurite


def test_azurite_keeps_its_ports_and_data_when_it_is_started_again(tmp_path: Path) -> None:
    with Azurite(folder=tmp_path) as storage:
        connection = storage.connection_string
        with QueueClient.from_connection_string(connection, "kept") as queue:
            queue.create_queue()
            queue.send_message("still here")
            storage.stop()
            storage.start()
            message = queue.receive_message()

        assert storage.connection_string == connection
    assert message is not None
    assert message.content == "still here"


async def test_hosts_of_a_stack_are_killed_and_started_again_on_their_ports() -> None:
    settings = {"SAMPLE_QUEUE": "sample", "SAMPLE_SCHEDULE": "0 0 0 1 1 *"}
    async with (
        Stack(hosts=2, app="sample_app", root=SAMPLE, environment=settings) as stack,
        ClientSession(trust_env=False) as session,
    ):
        urls = [host.url for host in stack.hosts]
        stack.kill_host(0)
        assert not stack.hosts[0].child.running
        await stack.restart_host(0)
        await stack.start_host()

        statuses = []
        for host in stack.hosts:
            async with session.get(f"{host.url}/api/guarded") as answer:
                statuses.append(answer.status)

    assert statuses == [200, 200, 200]
    assert [host.url for host in stack.hosts][:2] == urls
    assert not any(host.child.running for host in stack.hosts)


@pytest.mark.parametrize("name", ["azurite", "playground"])
def test_lock_files_pin_by_hash_and_name_no_place_to_download_from(name: str) -> None:
    folder = MANIFESTS / name
    packages = json.loads((folder / "package-lock.json").read_text())["packages"]

    assert not any("resolved" in package for package in packages.values())
    assert all("integrity" in package for path, package in packages.items() if path)
    assert "omit-lockfile-registry-resolved=true" in (folder / ".npmrc").read_text()
