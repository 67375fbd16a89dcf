"""What other services drop for a digest in a storm, and how a digest is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.domain.digests import Severity
from tests.simulation.asks import Ask
from tests.twins.world import TENANT, object_id

DIGEST = "daily"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """One item that a service drops. Times are virtual seconds from the start."""

    number: int
    at: float
    by_queue: bool
    again_after: float | None = None
    """The same request once more, so much later."""
    person: int | None = None
    whom: Ask | None = None
    """The audience that it is for, as that of an ask."""
    key: str = ""
    severity: Severity = Severity.INFO
    expires_after: float | None = None
    removed_after: float | None = None
    """Somebody takes it away so much later."""

    @property
    def title(self) -> str:
        """Its title, by which it is known wherever it is told."""
        return f"{self.number:04d}"


def item_document(drop: Drop, audience: Mapping[str, Any]) -> dict[str, Any]:
    """The request that drops an item. The title stands last, since the host of a storm makes ids of what is last."""
    whom = {"audience": audience} if drop.person is None else {"person": object_id(drop.person)}
    key = {"key": drop.key} if drop.key else {}
    life = {} if drop.expires_after is None else {"expires_after": f"PT{drop.expires_after:.0f}S"}
    return {
        "version": 1,
        "digest": DIGEST,
        "tenant": TENANT,
        "severity": drop.severity.value,
        **whom,
        **key,
        **life,
        "title": drop.title,
    }


def digest_document(ask: Ask, heading: str) -> dict[str, Any]:
    """The request that tells a digest, as a schedule makes it."""
    life = {} if ask.expires_after is None else {"expires_after": f"PT{ask.expires_after:.0f}S"}
    return {
        "version": 1,
        "tenant": TENANT,
        "digest": {"name": ask.digest, "heading": heading},
        "options": {"delivery": ask.delivery.value, "priority": ask.priority.value, **life},
    }


def words_of(activity: Mapping[str, Any]) -> str:
    """What a message says: its text, or of a digest's card the heading and the titles of its items."""
    if "text" in activity:
        return str(activity["text"])
    heading, *blocks = activity["attachments"][0]["content"]["body"]
    items = [block["items"][0] for block in blocks if block["type"] == "Container"]
    return " ".join(block["inlines"][0]["text"] for block in (heading, *items))
