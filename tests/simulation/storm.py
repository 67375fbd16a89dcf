"""A storm: one random bad day: which faults it has, how often, and what is asked of Herald. `draws` draws it."""

from dataclasses import dataclass
from datetime import timedelta

from shared.graph.protocol import Response
from shared.teams.answers import Verdict
from tests.simulation.asks import Ask, AskedSchedule
from tests.simulation.drops import Drop
from tests.simulation.tenant import Tenant
from tests.twins.graph import refusal

REFUSALS = (
    Verdict.NOT_INSTALLED,
    Verdict.BLOCKED_BY_USER,
    Verdict.BLOCKED_BY_ADMIN,
    Verdict.CONVERSATION_GONE,
    Verdict.REJECTED,
    Verdict.TOO_LARGE,
    Verdict.WRONG_HOST,
    Verdict.UNAUTHORIZED,
)
PASSING = (Verdict.BUSY, Verdict.UNREACHABLE, Verdict.FAILED_MAYBE, Verdict.SERVICE_ERROR, Verdict.THROTTLED)

GRAPH_REFUSALS = {
    "blocked_by_policy": refusal(403, "Forbidden", "App is blocked by app permission policy."),
    "no_teams_license": refusal(403, "Forbidden", "Failed to get license information for the user."),
    "user_not_found": refusal(404, "NotFound", "User Id not found."),
    "gave_up": refusal(400, "BadRequest", "This will never be right."),
}
CONSENT_MISSING = refusal(403, "Forbidden", "Missing role permissions on the request.")
APP_MISSING = refusal(404, "NotFound", "The app is not found in the catalog.")
GRAPH_PASSING = (
    refusal(429, "TooManyRequests", retry_after=3.0),
    refusal(503, "ServiceUnavailable"),
    refusal(400, "BadRequest", "CreateOrUpdateUserAppEntitlementForTeamsAsync: Schema validation"),
    Response(status=0),
)

FAULTS = (
    *("nudge_lost", "nudge_doubled", "nudge_late", "nudge_reordered", "nudge_garbled", "nudge_poisoned"),
    *("tick_late", "tick_doubled", "downtime", "due_row_lost"),
    *("request_poisoned", "tick_lost", "cut", "freeze", "outage", "storage_fails", "answer_lost", "answer_echoed"),
    *("conflict", "write_late", "page_fails", "token_refused", "burst", "lone_throttled", "real_rate_lower"),
    *("slow_answer", "connector_answer_lost"),
    *("directory_passing", "directory_refused", "link_expired", "page_repeated"),
    *("graph_passing", "graph_answer_lost", "graph_blocked", "graph_app_missing"),
    *("graph_lag", "graph_token_refused", "chat_deleted"),
    *("graph_blocked_by_policy", "graph_no_teams_license", "graph_user_not_found", "graph_gave_up"),
    *(f"answer_{verdict.name.lower()}" for verdict in (*REFUSALS, *PASSING)),
)
"""Every fault that can fire, by the name under which it is counted."""
WISHES = (
    "cancel",
    "pause",
    "edit",
    "recall",
    "tenant_stop",
    "slow_start",
    "dry_run",
    "sandbox",
    "installing",
    "directory",
    "moment",
    *("digest", "item_removal"),
    *("schedule", "schedule_pause", "schedule_change", "schedule_run", "schedule_removal"),
)
"""What callers wish for beside plain sending, counted where Herald agreed to it."""
LEAVABLE = ("revisions", "time", "digests")
"""What can be left out of storms: edits and recalls; moments and schedules; digests."""
EXCLUDED: frozenset[str] = frozenset()
"""What of it is left out while bugs of the product (tests/seeds) would hide all others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of time in which something is wrong: by `share` of all calls, or with this word to wait."""

    start: float
    length: float
    share: float = 1.0
    retry_after: float = 0.0

    def covers(self, now: float) -> bool:
        """Whether it is going on."""
        return self.start <= now < self.start + self.length


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """Everything that the seed decides before the run; what happens call by call is drawn during it."""

    seed: int
    instances: int
    installed: int
    pace: float | None
    asks: tuple[Ask, ...]
    until: float
    """The second at which all faults stop."""
    knobs: dict[str, int | timedelta]
    storage_seconds: float
    connector_seconds: float
    clock_error: float
    nudge_lost: float
    nudge_doubled: float
    nudge_late: float
    nudge_garbled: float
    nudge_poisoned: float
    nudge_reordered: bool
    tick_lost: float
    cuts: int
    cut_chance: float
    freezes: int
    freeze_chance: float
    storage_fails: float
    answer_lost: float
    answer_echoed: float
    conflict: float
    write_late: float
    page_fails: float
    outages: tuple[Window, ...]
    refused: float
    passing: float
    connector_answer_lost: float
    lone_throttled: float
    slow_answer: float
    bursts: tuple[Window, ...]
    real_rate: float
    """The Connector's own rate as a share of what Herald believes; below 1 it throttles."""
    token_windows: tuple[Window, ...]
    stops: tuple[Window, ...] = ()
    """When an operator stops all of the tenant's sending."""
    installing: bool = False
    """Whether people without the app are given it."""
    graph_lag: float = 0.0
    graph_refused: float = 0.0
    graph_passing: float = 0.0
    graph_answer_lost: float = 0.0
    graph_blocks: tuple[Window, ...] = ()
    """When consent is missing."""
    catalog_gaps: tuple[Window, ...] = ()
    """When the tenant's catalogue does not have the app."""
    scopes: str = "personal"
    """Where the app is given to who lacks it."""
    outdated: int = 0
    """The first so many people have an older version of the app."""
    told: float = 0.0
    """Of so many installs Teams tells the bot."""
    deletions: tuple[tuple[float, int], ...] = ()
    """When people delete their chats with the bot: the second, and the person's number."""
    tenant: Tenant | None = None
    """What the directory knows; None where no audience is read from it."""
    page_size: int = 999
    page_overlap: int = 0
    page_repeated: float = 0.0
    link_expired: float = 0.0
    directory_passing: float = 0.0
    directory_refusals: tuple[Window, ...] = ()
    """When the consent to read the directory is missing."""
    shows_ids_alone: bool = False
    """Whether people are then shown by their ids alone, rather than not at all."""
    schedules: tuple[AskedSchedule, ...] = ()
    tick_late: float = 0.0
    tick_doubled: float = 0.0
    downtimes: tuple[Window, ...] = ()
    """When the timer is dead."""
    tick_hits: int = 0
    """So many ticks are cut, or freeze, at one of their calls."""
    due_rows_lost: tuple[float, ...] = ()
    """When somebody removes a due row by hand."""
    drops: tuple[Drop, ...] = ()
    """What is dropped for the digest."""
    slow_steps: float = 0.0
    """Seconds that a step of a digest takes longer, at most."""
    step_hits: int = 0
    """So many processes are cut when they have just written a step of a digest."""
    old_items_at: float | None = None
    """When expired items are removed; None for when the storm is over."""

    @property
    def is_throttling(self) -> bool:
        """Whether anything in it makes the Connector throttle, or senders come late."""
        return bool(self.bursts) or self.real_rate < 1 or self.lone_throttled > 0 or self.passing > 0

    @property
    def latest_moment(self) -> float:
        """The last moment at which something is to be sent."""
        return max(ask.moment or 0.0 for ask in self.asks)

    @property
    def final_by(self) -> float:
        """The virtual second by which everything must be final: `patience` after the faults and the latest moment."""
        return max(self.until, self.latest_moment) + self.patience

    @property
    def patience(self) -> float:
        """Virtual seconds from the end of the faults within which everything must be final.

        A retry waits about as long as the delivery has failed already, at most 15 minutes (18 with jitter); a lease,
        two ticks and a message that the host hid for ten minutes come on top.
        """
        return 1800.0
