"""What a caller asks for, once it is known to be right: the value that an acceptance works with."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Any

import orjson

from shared.domain.audience import Audience
from shared.domain.broadcasts import DeliveryMode, Priority
from shared.domain.modes import Mode
from shared.domain.own_clocks import OwnClock
from shared.domain.rehearsals import Ramp
from shared.domain.saved_audiences import SavedNames


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A message: markdown text or an Adaptive Card, never both. `alert` also puts it into the activity feed."""

    text: str | None = None
    card: Mapping[str, Any] | None = None
    summary: str = ""
    alert: bool = False
    encoded: bytes | None = None
    """The activity of another broadcast as it was encoded then; all else is empty where this is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """What a child has from its parent: the revision whose words it begins with, what was wished by then, and since
    when its expiry counts where its moment was over already (seconds since the epoch)."""

    parent: str
    revision: int
    accepted_at: float
    cancelled_at: float | None
    paused_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BroadcastRequest:
    """A request that follows the contract: ids folded, duplicates gone, defaults filled in."""

    tenant: str
    key: str
    audience: Audience
    content: Content
    delivery: DeliveryMode = DeliveryMode.AT_LEAST_ONCE
    priority: Priority = Priority.NORMAL
    expires_after: timedelta | None = None
    mode: Mode = Mode.SEND
    ramp: Ramp | None = None
    saved: SavedNames = field(default_factory=SavedNames)
    """Saved audiences that belong to the audience, which holds nothing of them yet."""
    starts_at: float = 0.0
    """The moment to send at, in seconds since the epoch; zero for at once."""
    own_clock: OwnClock | None = None
    """The local time to send at on each recipient's own clock, in the place of `starts_at`."""
    child: Child | None = None
    """Of a child: what it has from its parent."""
    digest: str = ""
    """The digest that is to be told. Its items say whom, and what below the heading, which is the encoded content."""
    broadcast_id: str | None = None
    """The id of a schedule's occurrence, or of a child. Its key then stands for that, in whatever words."""

    @property
    def body_hash(self) -> str:
        """SHA-256 of everything but the key in one canonical form: white space and order do not matter."""
        canonical: dict[str, Any] = {
            "version": 1,
            "tenant": self.tenant,
            "users": self.audience.users,
            "conversations": self.audience.conversations,
            "everyone_installed": self.audience.everyone_installed,
            "text": self.content.text,
            "card": self.content.card,
            "summary": self.content.summary,
            "alert": self.content.alert,
            "encoded": None if self.content.encoded is None else sha256(self.content.encoded).hexdigest(),
            "derived": self.audience.derived and asdict(self.audience.derived),
            "delivery": self.delivery,
            "priority": self.priority,
            "expires_after": None if self.expires_after is None else self.expires_after.total_seconds(),
        }
        # What came later is only there where it is used: the hash of an older request stays what it was.
        if self.mode is not Mode.SEND:
            canonical["mode"] = self.mode
        if self.ramp is not None:
            canonical["ramp"] = asdict(self.ramp)
        if self.audience.except_people or self.audience.except_groups:
            canonical["except"] = self.audience.except_people + self.audience.except_groups
        if self.starts_at:
            canonical["starts_at"] = self.starts_at
        if self.own_clock is not None:
            canonical["own_clock"] = [self.own_clock.at.isoformat(), self.own_clock.default_zone]
        if self.digest:
            canonical["digest"] = self.digest
        if self.audience.names:
            canonical["names"] = self.audience.names
        if self.audience.groups:
            canonical["groups"] = self.audience.groups
        if self.audience.everyone_in_tenant:
            canonical["everyone_in_tenant"] = True
        # By name, not by what the names stand for: that may be another audience when the same request comes again.
        if self.saved:
            canonical["saved"] = [sorted({*names}) for names in (self.saved.members, self.saved.exceptions)]
        for name in ("named_conversations", "rosters", "except_rosters"):
            if given := getattr(self.audience, name):
                canonical[name] = given
        return sha256(orjson.dumps(canonical, option=orjson.OPT_SORT_KEYS)).hexdigest()
