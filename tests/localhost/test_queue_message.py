"""What a queue message becomes on its way into a function."""

import base64
from datetime import UTC, datetime
from typing import Any

import pytest

from localhost.host_json import MessageEncoding
from localhost.queue_message import UndecodableMessageError, WireMessage, decode_text, to_trigger_value
from localhost.queue_storage import has_poison_queue

INSERTED = datetime(2026, 11, 21, 10, 7, 30, tzinfo=UTC)


def test_function_sees_the_body_and_the_metadata() -> None:
    message = to_trigger_value(a_message(), "plain text")

    assert message.get_body() == b"plain text"
    assert (message.id, message.dequeue_count, message.pop_receipt) == ("m1", 2, "r1")
    assert message.insertion_time == INSERTED


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        ('{"id": "other"}', {"id": "other"}),
        ('{"DEQUEUECOUNT": 99}', {"dequeue_count": 99}),  # whatever the case
        ('{"dequeueCount": null}', {"dequeue_count": 2}),  # null and arrays are not taken
        ('{"dequeueCount": [99]}', {"dequeue_count": 2}),
        ('[{"dequeueCount": 99}]', {"dequeue_count": 2}),  # only an object has members
        ('{"payload": {"dequeueCount": 99}}', {"dequeue_count": 2}),  # only at the top
    ],
)
def test_members_of_a_json_body_overwrite_the_metadata(body: str, seen: dict[str, Any]) -> None:
    message = to_trigger_value(a_message(), body)

    assert {name: getattr(message, name) for name in seen} == seen
    assert message.get_body() == body.encode()


def test_member_of_the_wrong_type_fails_before_the_function_is_called() -> None:
    with pytest.raises(ValueError, match="DequeueCount"):
        to_trigger_value(a_message(), '{"dequeueCount": "many"}')


def test_binary_trigger_is_safe_from_members() -> None:
    message = to_trigger_value(a_message(), '{"dequeueCount": "many"}', binary=True)

    assert message.dequeue_count == 2


def test_base64_text_is_decoded_and_anything_else_refused() -> None:
    wire = base64.b64encode("Grüße".encode()).decode()

    assert decode_text(wire, MessageEncoding.BASE64) == "Grüße"
    assert decode_text("{}", MessageEncoding.NONE) == "{}"
    with pytest.raises(UndecodableMessageError):
        decode_text("{}", MessageEncoding.BASE64)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("sends", True), ("sends-poison", False), ("q" * 56, True), ("q" * 57, False)],  # a queue's name has 63 at most
)
def test_poison_queue_exists_where_its_name_may(name: str, expected: bool) -> None:
    assert has_poison_queue(name) is expected


def a_message() -> WireMessage:
    return WireMessage(id="m1", text="", pop_receipt="r1", dequeue_count=2, inserted_at=INSERTED)
