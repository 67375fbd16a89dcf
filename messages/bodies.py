"""The bodies of requests that bring a document: JSON objects of a bounded size, with a key in them or beside them."""

from typing import Any

from messages.problems import malformed, too_large
from shared.envelopes import read_json_object
from shared.errors import Fault, InvalidRequest

LARGEST_BODY = 1024 * 1024
"""Bytes. The longest right request, 1,000 conversations and 80 KB of escaped text, stays below."""


def read_document(body: bytes) -> dict[str, Any]:
    """The JSON object that a body holds. Raises Problem."""
    if len(body) > LARGEST_BODY:
        raise too_large(size=len(body), limit=LARGEST_BODY)
    try:
        return read_json_object(body)
    except InvalidRequest as error:
        raise malformed(error) from error


def with_key(document: dict[str, Any], header: str | None) -> tuple[dict[str, Any], list[Fault]]:
    """Put the header's key where the document has none; a fault where the two contradict each other."""
    if header is None:
        return document, []
    key = key_in(header)
    if document.get("key") is None:
        return {**document, "key": key}, []
    if document["key"] == key:
        return document, []
    detail = "the header Idempotency-Key names another key: give one of the two, or the same twice"
    return document, [Fault(pointer="/key", detail=detail)]


def key_in(header: str) -> str:
    """The key in a header `Idempotency-Key`. Its draft has a quoted string, and most callers send a bare one."""
    return header.strip().removeprefix('"').removesuffix('"')
