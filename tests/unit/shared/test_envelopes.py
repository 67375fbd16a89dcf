"""What queue messages carry: nudges, and JSON objects plain or in base64."""

import base64

import orjson
import pytest

from shared.envelopes import Nudge, pack_nudge, read_json_object, unpack_nudge
from shared.errors import InvalidRequest

ID = "0123456789abcdefghij"


@pytest.mark.parametrize(
    "nudge", [Nudge(broadcast=ID), Nudge(broadcast=ID, batch=0), Nudge(broadcast=ID, batch=99_999_999)]
)
def test_nudge_survives_its_message(nudge: Nudge) -> None:
    assert unpack_nudge(pack_nudge(nudge)) == nudge


def test_nudge_avoids_the_names_of_the_host() -> None:
    assert pack_nudge(Nudge(broadcast="b1", batch=7)) == b'{"broadcast":"b1","batch":7}'


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"broadcast": 1},
        {"broadcast": ID[1:]},  # Too short.
        {"broadcast": ID + "0"},  # Too long.
        {"broadcast": ID + "\n"},
        {"broadcast": ID.upper()},  # Not of our making.
        {"broadcast": ID[1:] + "/"},  # No key of a table has this.
        {"broadcast": ID, "batch": -1},
        {"broadcast": ID, "batch": "1"},
        {"broadcast": ID, "batch": True},
        {"broadcast": ID, "batch": 1.0},
        {"broadcast": ID, "batch": 100_000_000},  # Its row's key would have a digit too many.
    ],
)
def test_anything_else_is_no_nudge(body: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        unpack_nudge(orjson.dumps(body))


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1}',
        # PowerShell and .NET like to write a byte order mark.
        b'\xef\xbb\xbf{"a": 1}\n',
        # The .NET queue client of old, and storage explorers, encode messages.
        base64.b64encode(b'{"a": 1}'),
        base64.b64encode(b'\xef\xbb\xbf{"a": 1}'),
        # The `base64` command wraps its lines.
        b"eyJh\nIjog\nMX0=\n",
    ],
)
def test_object_is_read_plain_or_from_base64(body: bytes) -> None:
    assert read_json_object(body) == {"a": 1}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"[1]", "JSON array"),
        (b'"text"', "JSON string"),
        (b"null", "JSON null"),
        (b"7", "number or boolean"),
        # A missing bracket: the parser's own words tell where.
        (b'{"a": 1', "neither JSON nor base64 of JSON"),
        # UTF-16, as Windows' tools once wrote it.
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        # Base64 of something else.
        (base64.b64encode(b"hello there"), "neither JSON nor base64 of JSON"),
        (base64.b64encode(b"[1]"), "JSON array"),
        # Deeper than any parser likes.
        (b"[" * 5_000, "neither JSON"),
    ],
)
def test_anything_else_is_refused_in_words(body: bytes, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as caught:
        read_json_object(body)

    assert [fault.pointer for fault in caught.value.faults] == [""]
