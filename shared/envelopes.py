"""What travels in queue messages: nudges of our own, and JSON objects that others put there.

A nudge names a row and carries nothing else of value. Its members avoid the names that the host would read as trigger
metadata (`id`, `dequeueCount`, ...: https://github.com/Azure/azure-webjobs-sdk-extensions/issues/882).
"""

import base64
import binascii
import logging
import re
from dataclasses import dataclass
from typing import Any

import orjson

from shared.errors import Fault, InvalidRequest
from shared.telemetry import log_event

_BROADCAST_ID = re.compile(r"[0-9a-z]{20}")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nudge:
    """A message of the queues `plans` (a broadcast), `sends` and `installs` (one of its batches)."""

    broadcast: str
    batch: int | None = None


def pack_nudge(nudge: Nudge) -> bytes:
    """A nudge as JSON: `{"broadcast": id}` or `{"broadcast": id, "batch": n}`."""
    body: dict[str, Any] = {"broadcast": nudge.broadcast}
    if nudge.batch is not None:
        body["batch"] = nudge.batch
    return orjson.dumps(body)


def read_nudge(data: bytes, *, queue: str) -> Nudge | None:
    """Read a nudge; None, and a line in the log, for what is none: nobody could make sense of it later either."""
    try:
        return unpack_nudge(data)
    except InvalidRequest as fault:
        log_event(logger, "nudge_unreadable", level=logging.ERROR, queue=queue, cause=str(fault))
        return None


def unpack_nudge(body: bytes) -> Nudge:
    """Read what `pack_nudge` wrote. Raises InvalidRequest for anything else."""
    found = read_json_object(body)
    broadcast, batch = found.get("broadcast"), found.get("batch")
    known_id = isinstance(broadcast, str) and _BROADCAST_ID.fullmatch(broadcast)
    known_batch = batch is None or (isinstance(batch, int) and not isinstance(batch, bool) and 0 <= batch < 10**8)
    if not known_id or not known_batch:
        raise InvalidRequest([Fault(pointer="", detail="this is not a nudge: it must name a broadcast")])
    return Nudge(broadcast=str(broadcast), batch=batch)


def read_json_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object in UTF-8, plain or as base64. Raises InvalidRequest, whose one fault has the pointer ''.

    Some queue clients encode their messages as base64 by default and others never do: both are understood.
    """
    plain = body.removeprefix(_BYTE_ORDER_MARK).strip()
    if not plain:
        raise _fault("the body is empty: it must be a JSON object")
    try:
        found = orjson.loads(plain)
    except orjson.JSONDecodeError as error:
        found = _decode_base64(plain)
        if found is None:
            raise _fault(f"the body is neither JSON nor base64 of JSON: {_reason(plain, error)}") from error
    if not isinstance(found, dict):
        raise _fault(f"the body is a JSON {_kind(found)}: it must be an object")
    return found


def _decode_base64(text: bytes) -> Any:
    """The JSON value that base64 hides; None where it hides none."""
    try:
        inner = base64.b64decode(b"".join(text.split()), validate=True)
        return orjson.loads(inner.removeprefix(_BYTE_ORDER_MARK))
    except (binascii.Error, orjson.JSONDecodeError):
        return None


def _reason(text: bytes, error: orjson.JSONDecodeError) -> str:
    try:
        text.decode()
    except UnicodeDecodeError:
        return "it is not UTF-8 text"
    return str(error)


def _kind(value: object) -> str:
    if isinstance(value, list):
        return "array"
    if isinstance(value, str):
        return "string"
    return "null" if value is None else "number or boolean"


def _fault(detail: str) -> InvalidRequest:
    return InvalidRequest([Fault(pointer="", detail=detail)])
