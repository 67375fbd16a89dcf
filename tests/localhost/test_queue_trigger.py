"""The queue trigger's semantics, against Azurite and with the sample app."""

import asyncio
import base64
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from localhost.functions import index_app, load_app
from localhost.host_json import MessageEncoding, QueueOptions
from localhost.invocation import Invoker
from localhost.queue_storage import TriggerQueue, open_service, open_session
from localhost.queue_trigger import PollingDelay, QueueTrigger
from tests.localhost.hosting import SAMPLE, calls, count_in, eventually, sample_host, sample_options, texts_in

pytestmark = pytest.mark.azurite


@pytest.fixture(autouse=True)
def queue_name(azurite: str, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"sample-{uuid.uuid4().hex[:8]}"
    monkeypatch.setenv("AzureWebJobsStorage", azurite)
    # Upper case, because the host resolves the setting and then lower-cases the name.
    monkeypatch.setenv("SAMPLE_QUEUE", name.upper())
    monkeypatch.setenv("SAMPLE_SCHEDULE", "0 0 0 1 1 *")
    return name


@pytest.fixture
async def service(azurite: str) -> AsyncIterator[QueueServiceClient]:
    async with QueueServiceClient.from_connection_string(azurite) as client:
        yield client


@pytest.fixture
async def queue(service: QueueServiceClient, queue_name: str) -> QueueClient:
    return await service.create_queue(queue_name)


@pytest.fixture
def poison(service: QueueServiceClient, queue_name: str) -> QueueClient:
    return service.get_queue_client(f"{queue_name}-poison")


async def test_message_is_deleted_after_success(queue: QueueClient, poison: QueueClient, tmp_path: Path) -> None:
    await queue.send_message("hello")

    async with sample_host(tmp_path):
        await eventually(lambda: len(calls()) == 1)

    assert calls()[0][1]["text"] == "hello"
    assert await count_in(queue) == 0
    with pytest.raises(ResourceNotFoundError):
        await poison.get_queue_properties()


async def test_failed_message_is_tried_to_the_maximum_and_then_copied_to_poison(
    queue: QueueClient, poison: QueueClient, tmp_path: Path
) -> None:
    body = json.dumps({"do": "fail"})
    await queue.send_message(body)

    async with sample_host(tmp_path):
        await eventually(lambda: len(calls()) == 3)
        assert await texts_in_new(poison) == [body]
        await asyncio.sleep(0.3)

    assert [call["try"] for _, call in calls()] == [1, 2, 3]
    assert await count_in(queue) == 0


async def test_value_that_no_binding_takes_fails_the_invocation(
    queue: QueueClient, poison: QueueClient, tmp_path: Path
) -> None:
    await queue.send_message('{"do": "return"}')

    async with sample_host(tmp_path):
        assert await texts_in_new(poison) == ['{"do": "return"}']

    assert len(calls()) == 3


async def test_overwritten_metadata_fails_before_the_function_is_called(
    queue: QueueClient, poison: QueueClient, tmp_path: Path
) -> None:
    body = '{"dequeueCount": "many"}'
    await queue.send_message(body)

    async with sample_host(tmp_path):
        assert await texts_in_new(poison) == [body]

    assert calls() == []


async def test_message_that_crashed_the_process_too_often_is_poison_without_a_call(
    queue: QueueClient, poison: QueueClient, tmp_path: Path
) -> None:
    await queue.send_message("deadly")
    for _ in range(3):
        message = await queue.receive_message(visibility_timeout=30)
        assert message is not None
        await queue.update_message(message.id, message.pop_receipt, visibility_timeout=0)

    async with sample_host(tmp_path):
        assert await texts_in_new(poison) == ["deadly"]

    assert calls() == []


async def test_base64_is_decoded_and_what_is_not_base64_is_poison_as_it_stands(
    queue: QueueClient, poison: QueueClient, tmp_path: Path
) -> None:
    await queue.send_message(base64.b64encode(b"encoded").decode())
    await queue.send_message("{not base64}")

    async with sample_host(tmp_path, options=sample_options(MessageEncoding.BASE64)):
        assert await texts_in_new(poison) == ["{not base64}"]
        await eventually(lambda: len(calls()) == 1)

    assert calls()[0][1]["text"] == "encoded"


async def test_async_functions_share_the_loop_and_sync_ones_have_threads(
    queue: QueueClient, service: QueueServiceClient, tmp_path: Path
) -> None:
    sync_queue = service.get_queue_client("sample-sync")
    await sync_queue.create_queue()
    for _ in range(3):
        await queue.send_message('{"do": "sleep"}')
        await sync_queue.send_message('{"do": "sleep"}')
    started = time.monotonic()

    async with sample_host(tmp_path):
        await eventually(lambda: len(calls()) == 6)

    # One after another they would take six seconds; stopping the host waits for them.
    assert time.monotonic() - started < 4
    assert (await count_in(queue), await count_in(sync_queue)) == (0, 0)


async def test_queue_that_does_not_exist_yet_is_waited_for(
    service: QueueServiceClient, queue_name: str, tmp_path: Path
) -> None:
    async with sample_host(tmp_path):
        await asyncio.sleep(0.3)
        queue = await service.create_queue(queue_name)
        await queue.send_message("late")

        await eventually(lambda: len(calls()) == 1)


async def test_function_is_run_by_hand(queue: QueueClient, tmp_path: Path) -> None:
    async with sample_host(tmp_path) as host, open_session() as session:
        url = f"{host.url}/admin/functions/worker"
        async with session.post(url, json={"input": "by hand"}) as answer:
            assert answer.status == 202
        async with session.post(f"{host.url}/admin/functions/nobody", json={}) as answer:
            assert answer.status == 404
        await eventually(lambda: len(calls()) == 1)

    assert calls()[0][1]["text"] == "by hand"
    assert await count_in(queue) == 0


async def test_failed_message_of_a_poison_queue_stays_hidden(
    service: QueueServiceClient, azurite: str, queue_name: str
) -> None:
    name = f"{queue_name}-poison"
    queue = await service.create_queue(name)
    await queue.send_message('{"do": "fail"}')

    async with one_trigger(azurite, name):
        await eventually(lambda: len(calls()) == 1)
        await asyncio.sleep(0.3)

    assert len(calls()) == 1
    assert await count_in(queue) == 1
    with pytest.raises(ResourceNotFoundError):
        await service.get_queue_client(f"{name}-poison").get_queue_properties()


async def test_message_is_renewed_while_its_function_runs(azurite: str, queue: QueueClient, queue_name: str) -> None:
    await queue.send_message('{"do": "sleep"}')

    async with one_trigger(azurite, queue_name, renew_every=timedelta(seconds=0.2)) as recorder:
        await eventually(lambda: len(calls()) == 1)
        await eventually(lambda: recorder.deleted == 1)

    assert recorder.renewed >= 3
    # The delete used the receipt of the last renewal: an older one would have been refused.
    assert await count_in(queue) == 0


def test_polling_backs_off_from_100_ms_to_the_maximum() -> None:
    delay = PollingDelay(timedelta(seconds=2))

    waits = [delay.next() for _ in range(8)]

    assert waits[0] == 0.1
    assert waits == sorted(waits)
    assert waits[-1] == 2.0
    delay.reset()
    assert delay.next() == 0.1


class RecordingQueue(TriggerQueue):
    """A queue that counts what is done to its messages."""

    renewed = 0
    deleted = 0

    async def renew(self, message_id: str, pop_receipt: str, timeout: timedelta) -> str:
        self.renewed += 1
        return await super().renew(message_id, pop_receipt, timeout)

    async def delete(self, message_id: str, pop_receipt: str) -> None:
        await super().delete(message_id, pop_receipt)
        self.deleted += 1


@asynccontextmanager
async def one_trigger(
    connection: str, name: str, *, renew_every: timedelta = timedelta(minutes=5)
) -> AsyncIterator[RecordingQueue]:
    """Run the sample's worker on any queue."""
    function = next(one for one in index_app(load_app("sample_app", SAMPLE)) if one.name == "worker")
    calls().clear()
    invoker = Invoker()
    options = QueueOptions(max_polling_interval=timedelta(milliseconds=100), message_encoding=MessageEncoding.NONE)
    async with open_session() as session:
        queue = RecordingQueue(open_service(connection, session), name)
        trigger = QueueTrigger(function, queue, options=options, invoker=invoker, renew_every=renew_every)
        task = asyncio.create_task(trigger.listen())
        try:
            yield queue
        finally:
            task.cancel()
            await asyncio.gather(task, *trigger.running, return_exceptions=True)
            invoker.close()


async def texts_in_new(queue: QueueClient) -> list[str]:
    """The texts in a queue that the host has yet to create."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await texts_in(queue)
            except ResourceNotFoundError:
                await asyncio.sleep(0.05)
