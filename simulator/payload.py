"""What the Connector accepts as an activity: its form, its size, and whether Teams splits it."""

import re
from typing import Any

import orjson

from simulator.refusals import Refusal

# https://learn.microsoft.com/microsoftteams/platform/bots/how-to/format-your-bot-messages: about 100 KB, counted as
# UTF-16, without pictures in base64.
SIZE_LIMIT = 100 * 1024
PICTURE = re.compile(r"data:image/[\w.+-]+;base64,[A-Za-z0-9+/=]+")
CARD = "application/vnd.microsoft.card."


def check_size(raw: bytes) -> None:
    """Refuse a body of more than 100 KB in UTF-16."""
    # A character takes at most twice its UTF-8 bytes in UTF-16, so most bodies need no second look.
    if len(raw) * 2 <= SIZE_LIMIT:
        return
    text = PICTURE.sub("", raw.decode("utf-8", "replace"))
    if len(text.encode("utf-16-le")) > SIZE_LIMIT:
        raise Refusal("MessageSizeTooBig")


def check_activity(activity: Any) -> None:
    """Refuse what Teams cannot show: no type, no content, or an attachment that is not one."""
    if not isinstance(activity, dict) or not isinstance(activity.get("type"), str):
        raise Refusal("Bad Argument", "Activity type is missing.")
    if activity["type"] == "typing":
        return
    if activity["type"] != "message":
        raise Refusal("Bad Argument", f"Unknown activity type '{activity['type']}'.")
    text, attachments = activity.get("text"), activity.get("attachments") or []
    if text is not None and not isinstance(text, str):
        raise Refusal("Bad Argument", "'text' must be a string.")
    if not isinstance(attachments, list):
        raise Refusal("Bad Argument", "'attachments' must be a list.")
    if not (text or "").strip() and not attachments:
        raise Refusal("Bad Argument", "Message has neither text nor attachments.")
    for attachment in attachments:
        _check_attachment(attachment)


def _check_attachment(attachment: Any) -> None:
    if not isinstance(attachment, dict) or not isinstance(attachment.get("contentType"), str):
        raise Refusal("Bad Argument", "An attachment needs a 'contentType'.")
    if not attachment["contentType"].startswith(CARD):
        return
    content = attachment.get("content")
    if not isinstance(content, dict):
        raise Refusal("Bad Argument", "A card needs 'content'.")
    if attachment["contentType"] == f"{CARD}adaptive" and content.get("type") != "AdaptiveCard":
        raise Refusal("Bad Argument", "The card's type must be 'AdaptiveCard'.")


def is_split(activity: Any) -> bool:
    """Whether Teams makes two messages of it: text and attachment in one activity."""
    if not isinstance(activity, dict):
        return False
    text = activity.get("text")
    return isinstance(text, str) and bool(text.strip()) and bool(activity.get("attachments"))


def content_of(activity: dict[str, Any]) -> tuple[bytes, str]:
    """The bytes a digest is made of, and the text to show: that of the message, else the card's summary or words."""
    attachments = activity.get("attachments")
    text = activity.get("text") or ""
    if not attachments:
        return text.encode(), text
    shown = text or activity.get("summary") or _words(attachments)
    return text.encode() + orjson.dumps(attachments), shown


def _words(attachments: list[dict[str, Any]]) -> str:
    """The texts of a card's own elements, one line each, at most 200 characters."""
    content = attachments[0].get("content")
    elements = content.get("body") or [] if isinstance(content, dict) else []
    texts = [element["text"] for element in elements if isinstance(element, dict) and "text" in element]
    return "\n".join(map(str, texts))[:200]
