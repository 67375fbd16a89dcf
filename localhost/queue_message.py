"""A queue message as a function sees it: decoded from the wire, with the trigger metadata that the host makes of it.

The host lets the top-level members of a JSON body overwrite the metadata, without regard to case, so that a body
`{"dequeueCount": "many"}` fails before the function is called:
https://github.com/Azure/azure-webjobs-sdk-extensions/issues/882 and
https://github.com/Azure/azure-functions-python-worker/issues/1373. The trap is kept here, and the library's own
converter springs it.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from azure.functions import meta
from azure.functions.queue import QueueMessageInConverter

from localhost.host_json import MessageEncoding


class UndecodableMessageError(ValueError):
    """The text on the wire is not what `messageEncoding` says: the message goes straight to the poison queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WireMessage:
    """A message as it was received: `text` is what stands on the wire."""

    id: str
    text: str
    pop_receipt: str
    dequeue_count: int
    inserted_at: datetime | None = None
    expires_at: datetime | None = None
    next_visible_at: datetime | None = None


def decode_text(text: str, encoding: MessageEncoding) -> str:
    """Return the text that a message carries; raise UndecodableMessageError."""
    if encoding is MessageEncoding.NONE:
        return text
    try:
        return base64.b64decode(text, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise UndecodableMessageError("the message is not base64 text") from error


def to_trigger_value(message: WireMessage, body: str, *, binary: bool = False) -> Any:
    """Return the `QueueMessage` that a function receives; raise what the library raises for overwritten metadata.

    A trigger whose `dataType` is binary gets bytes: the host looks for members in text only.
    """
    if binary:
        datum = meta.Datum(type="bytes", value=body.encode())
        return QueueMessageInConverter.decode(datum, trigger_metadata=own_metadata(message, body))
    return QueueMessageInConverter.decode(
        meta.Datum(type="string", value=body), trigger_metadata=trigger_metadata(message, body)
    )


def own_metadata(message: WireMessage, body: str) -> dict[str, meta.Datum]:
    """Return the host's metadata of a message."""
    instants = {
        "InsertionTime": message.inserted_at,
        "ExpirationTime": message.expires_at,
        "NextVisibleTime": message.next_visible_at,
    }
    return {
        "QueueTrigger": meta.Datum(type="string", value=body),
        "Id": meta.Datum(type="string", value=message.id),
        "PopReceipt": meta.Datum(type="string", value=message.pop_receipt),
        "DequeueCount": meta.Datum(type="int", value=message.dequeue_count),
        **{name: _instant(value) for name, value in instants.items() if value is not None},
    }


def trigger_metadata(message: WireMessage, body: str) -> dict[str, meta.Datum]:
    """Return the host's metadata of a message, its members overwritten by those of a JSON body."""
    metadata = own_metadata(message, body)
    names = {name.lower(): name for name in metadata}
    for name, value in _members(body).items():
        if isinstance(value, list) or value is None:
            continue
        place = names.setdefault(name.lower(), name)
        metadata[place] = _member(value)
    return metadata


def _members(body: str) -> dict[str, Any]:
    if not body.strip().startswith("{"):
        return {}
    try:
        parsed = json.loads(body)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _member(value: Any) -> meta.Datum:
    """Return a JSON member as the host passes it on: objects as JSON, all else as text."""
    if isinstance(value, dict):
        return meta.Datum(type="json", value=json.dumps(value))
    if isinstance(value, bool):
        return meta.Datum(type="string", value=str(value))
    return meta.Datum(type="string", value=value if isinstance(value, str) else json.dumps(value))


def _instant(value: datetime) -> meta.Datum:
    return meta.Datum(type="json", value=json.dumps(value.isoformat()))
