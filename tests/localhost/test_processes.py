"""Child processes: ready when they say so, and gone for certain."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from localhost.processes import Child, ChildDiedError
from localhost.tools import ROOT

READY = "import json, sys, time; print(json.dumps({'url': 'x'}), flush=True); time.sleep(60)"


def test_child_announces_itself_and_ends_when_asked(tmp_path: Path) -> None:
    child = a_child(READY, tmp_path).start()

    assert child.announcement() == {"url": "x"}
    assert child.terminate() == -signal.SIGTERM
    assert not child.running


def test_child_can_be_killed_and_started_again(tmp_path: Path) -> None:
    child = a_child(READY, tmp_path).start()
    child.announcement()
    first = child.pid

    assert child.kill() == -signal.SIGKILL
    assert child.start().announcement() == {"url": "x"}
    assert child.pid != first
    child.kill()


def test_child_that_dies_before_it_is_ready_shows_its_log(tmp_path: Path) -> None:
    child = a_child("import sys; sys.exit('the reason')", tmp_path).start()

    with pytest.raises(ChildDiedError, match="the reason"):
        child.announcement()


def test_child_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + READY
    child = a_child(stubborn, tmp_path).start()
    child.announcement()

    assert child.terminate(timeout=0.2) == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills a child with its parent")
def test_child_dies_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    parent = f"""
import sys, time
from pathlib import Path
from localhost.processes import Child
child = Child([sys.executable, "-c", {READY!r}], name="child", log=Path({str(tmp_path / "child.log")!r})).start()
child.announcement()
print(child.pid, flush=True)
time.sleep(60)
"""
    command = [sys.executable, "-c", parent]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:  # noqa: S603 - Ours.
        assert process.stdout is not None
        child_pid = int(process.stdout.readline())
        process.kill()

    deadline = time.monotonic() + 5
    while is_alive(child_pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_host_stops_quickly_and_says_where_it_listens(tmp_path: Path, azurite: str) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "AzureWebJobsStorage": azurite,
        "SAMPLE_QUEUE": "sample-process",
        "SAMPLE_SCHEDULE": "0 0 0 1 1 *",
    }
    sample = str(Path(__file__).parent / "sample")
    arguments = ["--port", "0", "--app", "sample_app", "--root", sample, "--state", str(tmp_path)]
    command = [sys.executable, "-m", "localhost", *arguments]
    host = Child(command, name="host", log=tmp_path / "host.log", environment=environment).start()

    announced = host.announcement()
    started = time.monotonic()

    assert announced["url"].startswith("http://127.0.0.1:")
    assert "worker" in announced["functions"]
    assert host.terminate() == 0
    assert time.monotonic() - started < 3


def a_child(code: str, folder: Path) -> Child:
    return Child([sys.executable, "-c", code], name="child", log=folder / "child.log")


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent's question does not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
