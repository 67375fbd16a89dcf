"""An app that Azure's worker or the host would refuse is refused."""

from pathlib import Path

import azure.functions as func
import pytest

from localhost.environment import MissingSettingError, development_connection_string, resolve, storage_connection
from localhost.functions import BadAppError, TriggerKind, index_app, load_app
from localhost.host_json import BadHostJsonError, HostOptions, parse_queue_options, read_host_json
from tests.localhost.hosting import SAMPLE


def test_functions_of_an_app_are_indexed_with_their_triggers() -> None:
    found = {one.name: one for one in index_app(load_app("sample_app", SAMPLE))}

    assert found["worker"].kind is TriggerKind.QUEUE
    assert found["worker"].is_async
    assert not found["sync_worker"].is_async
    assert found["echo"].wants_context


def test_app_can_be_indexed_more_than_once() -> None:
    app = load_app("sample_app", SAMPLE)

    assert len(index_app(app)) == len(index_app(app))


def test_duplicate_names_leave_the_app_without_functions() -> None:
    app = func.FunctionApp()
    for route in ("one", "two"):

        @app.function_name("same")
        @app.route(route=route)
        async def handle(req: func.HttpRequest) -> None:
            """Never called."""

    with pytest.raises(BadAppError, match="same"):
        index_app(app)


def test_argument_without_a_binding_is_refused() -> None:
    app = func.FunctionApp()

    @app.route(route="x")
    async def handle(req: func.HttpRequest, other: str) -> None:
        """Never called."""

    with pytest.raises(BadAppError, match="other"):
        index_app(app)


def test_binding_without_an_argument_is_refused() -> None:
    app = func.FunctionApp()

    @app.queue_trigger(arg_name="message", queue_name="q", connection="C")
    async def handle(msg: func.QueueMessage) -> None:
        """Never called."""

    with pytest.raises(BadAppError, match="message"):
        index_app(app)


def test_wrong_annotation_is_refused() -> None:
    app = func.FunctionApp()

    @app.queue_trigger(arg_name="message", queue_name="q", connection="C")
    async def handle(message: func.HttpRequest) -> None:
        """Never called."""

    with pytest.raises(BadAppError, match="HttpRequest"):
        index_app(app)


def test_binding_that_this_host_does_not_know_is_refused_and_not_ignored() -> None:
    app = func.FunctionApp()

    @app.queue_trigger(arg_name="message", queue_name="q", connection="C")
    @app.queue_output(arg_name="out", queue_name="other", connection="C")
    async def handle(message: func.QueueMessage, out: func.Out[str]) -> None:
        """Never called."""

    with pytest.raises(BadAppError, match="queue binding"):
        index_app(app)


def test_host_json_is_read_with_the_documented_defaults(tmp_path: Path) -> None:
    assert read_host_json(tmp_path) == HostOptions()
    assert read_host_json(SAMPLE).queues.max_dequeue_count == 3
    (tmp_path / "host.json").write_text('{"extensions": {"http": {"routePrefix": ""}}}')
    assert read_host_json(tmp_path).route_prefix == ""


@pytest.mark.parametrize(
    "values",
    [
        {"batchSize": 33},
        {"batchSize": 0},
        {"newBatchThreshold": -1},
        {"maxDequeueCount": 0},
        {"maxPollingInterval": "00:00:00.05"},
        {"visibilityTimeout": "soon"},
    ],
)
def test_host_json_out_of_range_is_refused(values: dict[str, str]) -> None:
    with pytest.raises(BadHostJsonError):
        parse_queue_options(values)


def test_settings_are_resolved_or_missed_by_name() -> None:
    assert resolve("%A%-x-%B%", {"A": "1", "B": "2"}) == "1-x-2"
    with pytest.raises(MissingSettingError, match="QUEUE_NAME"):
        resolve("%QUEUE_NAME%", {})


def test_development_storage_is_azurite_with_its_usual_ports() -> None:
    usual = development_connection_string(blob=10000, queue=10001, table=10002)

    assert storage_connection("", {"AzureWebJobsStorage": "UseDevelopmentStorage=true"}) == usual
    with pytest.raises(MissingSettingError, match="Other"):
        storage_connection("Other", {"AzureWebJobsStorage": usual})
