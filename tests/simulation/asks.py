"""What is asked of Herald in a storm: broadcasts, and messages that come again."""

from dataclasses import dataclass

from shared.domain.broadcasts import DeliveryMode, Priority
from shared.domain.ids import schedule_id
from shared.domain.modes import Mode
from shared.domain.rehearsals import Ramp
from tests.simulation.timetables import Times
from tests.twins.world import TENANT


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One broadcast that somebody asks for. Times are virtual seconds from the start."""

    number: int
    at: float
    by_queue: bool
    again_after: float | None
    """The same request once more, so much later."""
    users: tuple[int, ...] = ()
    channels: int = 0
    chats: int = 0
    everyone: bool = False
    names: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    everyone_in_tenant: bool = False
    but_users: tuple[int, ...] = ()
    """People, names and groups that are to be left out."""
    but_names: tuple[str, ...] = ()
    but_groups: tuple[str, ...] = ()
    delivery: DeliveryMode = DeliveryMode.AT_LEAST_ONCE
    priority: Priority = Priority.NORMAL
    expires_after: float | None = None
    cancel_after: float | None = None
    pause_after: float | None = None
    """It is paused so much later, and let go on when the storm is over or after `paused_for`."""
    paused_for: float = 0.0
    edit_after: tuple[float, ...] = ()
    recall_after: float | None = None
    mode: Mode = Mode.SEND
    ramp: Ramp | None = None
    moment: float | None = None
    """It is to be sent then."""
    digest: str = ""
    """It tells this digest, which says whom and what."""

    @property
    def key(self) -> str:
        """Its idempotency key, which is also its text."""
        return f"ask-{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What a schedule says at one time: when it comes, and its words."""

    times: Times
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedSchedule:
    """One schedule that somebody makes. Times are virtual seconds, all wishes counted from `at`."""

    at: float
    again_after: float | None
    """The same request once more, so much later."""
    ask: Ask
    """What each of its occurrences asks for."""
    first: Definition
    changes: tuple[tuple[float, Definition], ...] = ()
    """When which other definition is put in its place."""
    pauses: tuple[tuple[float, float], ...] = ()
    """When it is paused, and for how long."""
    runs: tuple[float, ...] = ()
    """When somebody has it run at once."""
    removed_after: float | None = None

    @property
    def key(self) -> str:
        """Its idempotency key."""
        return f"schedule-{self.ask.number}"

    @property
    def id(self) -> str:
        """The id that its key stands for."""
        return schedule_id(tenant=TENANT, key=self.key)
