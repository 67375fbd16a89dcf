"""Azure's own worker library, on Python 3.13, indexes and invokes an app as the local host does."""

import asyncio
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from localhost.functions import index_app, load_app
from localhost.tools import ROOT
from tests.localhost.hosting import SAMPLE
from tests.localhost.python313 import find_python313, prepare_python313

PROBE = Path(__file__).parent / "worker_probe.py"
GUID = "5f0c9d1e-7a52-4c3b-9a51-0d6a4f6b8e21"
ACTIVITY = json.dumps(
    {
        "type": "message",
        "id": "1",
        "channelId": "msteams",
        "serviceUrl": "https://smba.trafficmanager.net/emea/",
        "conversation": {"id": "a:1", "tenantId": GUID},
        "from": {"id": "29:1", "aadObjectId": GUID},
        "recipient": {"id": f"28:{GUID}"},
        "channelData": {"tenant": {"id": GUID}},
    }
)

pytestmark = pytest.mark.azurite


@pytest.fixture(scope="module")
def python() -> Path:
    interpreter = find_python313()
    if interpreter is None:
        pytest.skip("there is no Python 3.13, which Azure's worker library needs")
    return prepare_python313(interpreter)


async def test_worker_indexes_and_invokes_the_sample_app(python: Path) -> None:
    orders: list[dict[str, Any]] = [
        {"function": "echo", "http": {"method": "POST", "url": "http://x/api/echo/a", "params": {"name": "a"}}},
        {"function": "worker", "queue": "hello"},
        {"function": "worker", "queue": '{"do": "fail"}'},
        {"function": "worker", "queue": '{"do": "return"}'},
        {"function": "sync_worker", "queue": "hello"},
        {"function": "worker", "queue": "hello", "overwritten": {"DequeueCount": "many"}},
    ]

    outcome = await probe(python, root=SAMPLE, script="sample_app.py", orders=orders)

    assert outcome["failure"] is None
    assert set(outcome["functions"]) == {one.name for one in index_app(load_app("sample_app", SAMPLE))}
    echo, success, failure, unbound, on_thread, overwritten = outcome["results"]
    assert (echo["ok"], echo["status"], json.loads(echo["body"])["route_params"]) == (True, 200, {"name": "a"})
    assert (success["ok"], on_thread["ok"]) == (True, True)
    assert "the message asked for it" in failure["error"]
    assert "without a $return binding" in unbound["error"]
    assert "DequeueCount" in overwritten["error"]


@pytest.mark.skipif(not (ROOT / "function_app.py").exists(), reason="there is no function_app.py yet")
async def test_worker_indexes_and_invokes_herald(python: Path, azurite: str) -> None:
    environment = {
        "AzureWebJobsStorage": azurite,
        "MicrosoftAppId": GUID,
        "MicrosoftAppPassword": "a password",
        "MicrosoftAppTenantId": GUID,
    }
    orders: list[dict[str, Any]] = [
        {"function": "messages", "http": {"method": "POST", "url": "http://x/api/messages", "body": ACTIVITY}},
        {"function": "broadcast_request", "queue": '{"version": 1}'},
    ]

    outcome = await probe(python, root=ROOT, script="function_app.py", orders=orders, environment=environment)

    assert outcome["failure"] is None
    app = importlib.import_module("function_app").app
    assert set(outcome["functions"]) == {one.name for one in index_app(app)}
    stranger, wrong_request = outcome["results"]
    assert (stranger["ok"], stranger["status"]) == (True, 401)
    # A request that cannot be accepted is recorded, and its message is done with.
    assert wrong_request["ok"], wrong_request["error"]


async def probe(
    python: Path, *, root: Path, script: str, orders: list[dict[str, Any]], environment: dict[str, str] | None = None
) -> dict[str, Any]:
    """Run the probe in a process of its own."""
    sample = {"SAMPLE_QUEUE": "sample", "SAMPLE_SCHEDULE": "0 0 0 1 1 *"}
    process = await asyncio.create_subprocess_exec(
        python,
        PROBE,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], **sample, **(environment or {})},
    )
    task = {"root": str(root), "script": script, "invocations": orders}
    stdout, stderr = await process.communicate(json.dumps(task).encode())
    assert stdout, stderr.decode()
    outcome: dict[str, Any] = json.loads(stdout.splitlines()[-1])
    if outcome["failure"]:
        sys.stderr.write(stderr.decode())
    return outcome
