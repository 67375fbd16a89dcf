"""The Bot Connector's language, all of it pure: requests are built here, and `answers.py` deciphers what comes back.

Requests that read stand in `rosters.py`. Who sends the bytes is `shared/teams/client.py`; what an answer means for a
delivery is the sender's business.
Source of the operations: https://learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-api-reference
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson
from yarl import URL

from shared.settings import is_loopback
from shared.teams.answers import Answer, Verdict, decipher_create, decipher_send

__all__ = [
    "Answer",
    "Request",
    "Verdict",
    "create_personal",
    "create_thread",
    "decipher_create",
    "decipher_send",
    "delete_activity",
    "encode_message",
    "is_trusted",
    "quote_conversation_id",
    "send_to",
    "update_activity",
]

CARD_TYPE = "application/vnd.microsoft.card.adaptive"


Decipher = Callable[[int, Mapping[str, str], bytes], Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call: URL and query are encoded already, the body is sent as it is, and `decipher` reads the answer."""

    method: str
    url: str
    """Without its query: that is no part of what tells whether a token may go there."""
    query: str = ""
    body: bytes
    decipher: Decipher


def quote_conversation_id(conversation_id: str) -> str:
    """Percent-encode an id for a path. Done once, when the id is stored or planned, never per message."""
    return quote(conversation_id, safe="")


def create_personal(service_url: str, *, app_id: str, member: str, tenant: str) -> Request:
    """Ask for the one chat of bot and person. `member` is a 29: id, or the object id of one who has the app."""
    body = {"bot": {"id": f"28:{app_id}"}, "members": [{"id": member}], "channelData": {"tenant": {"id": tenant}}}
    return Request(method="POST", url=_conversations(service_url), body=orjson.dumps(body), decipher=decipher_create)


def create_thread(service_url: str, *, app_id: str, channel: str, tenant: str, activity: bytes) -> Request:
    """Start a thread in a channel with its first message; the encoded `activity` is spliced in as it is."""
    channel_data = {"channel": {"id": channel}, "tenant": {"id": tenant}}
    head = orjson.dumps({"isGroup": True, "bot": {"id": f"28:{app_id}"}, "channelData": channel_data})
    body = b"".join((head[:-1], b',"activity":', activity, b"}"))
    return Request(method="POST", url=_conversations(service_url), body=body, decipher=decipher_create)


def send_to(service_url: str, quoted_id: str, activity: bytes) -> Request:
    """Send an encoded activity to a conversation whose id went through `quote_conversation_id`."""
    url = f"{_conversations(service_url)}/{quoted_id}/activities"
    return Request(method="POST", url=url, body=activity, decipher=decipher_send)


def update_activity(service_url: str, quoted_id: str, activity_id: str, activity: bytes) -> Request:
    """Put an encoded activity in the place of one that was sent."""
    url = f"{_conversations(service_url)}/{quoted_id}/activities/{quote(activity_id, safe='')}"
    return Request(method="PUT", url=url, body=activity, decipher=decipher_send)


def delete_activity(service_url: str, quoted_id: str, activity_id: str) -> Request:
    """Take back an activity that was sent."""
    url = f"{_conversations(service_url)}/{quoted_id}/activities/{quote(activity_id, safe='')}"
    return Request(method="DELETE", url=url, body=b"", decipher=decipher_send)


def _conversations(service_url: str) -> str:
    return f"{service_url.rstrip('/')}/v3/conversations"


def encode_message(
    *, text: str | None = None, card: Mapping[str, Any] | None = None, summary: str = "", alert: bool = False
) -> bytes:
    """Encode one message activity, once per broadcast: markdown text or an Adaptive Card, never both.

    Teams splits text with a card into two messages, which cost twice and cannot be edited afterwards. `summary` is
    what a notification shows of a card; `alert` also puts the message into the activity feed.
    """
    if (text is None) == (card is None):
        raise ValueError("a message has either text or a card")
    activity: dict[str, Any] = {"type": "message"}
    if card is not None:
        activity["attachments"] = [{"contentType": CARD_TYPE, "content": card}]
    if text is not None:
        activity |= {"text": text, "textFormat": "markdown"}
    if summary:
        activity["summary"] = summary
    if alert:
        activity["channelData"] = {"notification": {"alert": True}}
    return orjson.dumps(activity)


def is_trusted(url: str, hosts: Collection[str]) -> bool:
    """Whether a token may go to this address: https (http on loopback alone), and `host` or `host:port` is listed."""
    try:
        address = URL(url, encoded=True)
        host = (address.host or "").lower()
        # The port stands in the list unless it is the scheme's own; IPv6 hosts stand there in brackets.
        place = address.host_port_subcomponent or ""
    except ValueError:
        return False
    if address.scheme != "https" and not (address.scheme == "http" and is_loopback(host)):
        return False
    plain = not address.query_string and not address.fragment and url.isprintable()
    return plain and address.user is None and address.password is None and place.lower() in hosts
