"""The text of a log record: it is all that Azure's worker forwards."""

import logging

import orjson
import pytest

from shared.telemetry import log_event

logger = logging.getLogger("herald.test")


def test_record_is_the_event_and_one_json_object(caplog: pytest.LogCaptureFixture) -> None:
    log_event(logger, "delivery_deferred", level=logging.WARNING, delivery="a b", attempt=2, reason=None)

    event, _, fields = caplog.records[0].getMessage().partition(" ")
    assert event == "delivery_deferred"
    assert orjson.loads(fields) == {"delivery": "a b", "attempt": 2, "reason": None}
    assert caplog.records[0].levelno == logging.WARNING


def test_percent_signs_in_fields_are_data(caplog: pytest.LogCaptureFixture) -> None:
    log_event(logger, "key_refused", level=logging.ERROR, key="user%21s")

    assert caplog.records[0].getMessage() == 'key_refused {"key":"user%21s"}'


def test_bug_brings_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    log_event(logger, "delivery_crashed", level=logging.ERROR, error=KeyError("lane"))

    assert "KeyError: 'lane'" in caplog.text
