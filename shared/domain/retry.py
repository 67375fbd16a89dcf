"""When a delivery is tried again. The decision is a value: an instant, or None for never.

Retries end by time, not by count: five tries are over in a minute, and an outage of two minutes would end thousands.
"""

from datetime import timedelta

FIRST_WAIT = timedelta(seconds=2)
LONGEST_WAIT = timedelta(minutes=15)
JITTER = 0.2
HORIZON = timedelta(hours=24)
LAST_INTENT = timedelta(seconds=5)
"""No intent is written so shortly before a broadcast expires: its answer would come too late to be counted."""


def last_try_at(*, first_tried_at: float, expires_at: float | None) -> float:
    """Until when a delivery may be tried again: a day after its first try, or shortly before its broadcast expires."""
    a_day_later = first_tried_at + HORIZON.total_seconds()
    return a_day_later if expires_at is None else min(a_day_later, expires_at - LAST_INTENT.total_seconds())


def retry_at(*, now: float, attempts: int, until: float, retry_after: float | None, jitter: float) -> float | None:
    """Tell when to try again, in seconds since the epoch; None when that would be after `until`.

    `attempts` counts the tries so far (1 or more), `retry_after` is
    the service's own word in seconds, `jitter` is random in [0, 1): a wait of ours varies by 20 %, the service's is
    only ever lengthened.
    """
    if retry_after is not None:
        wait = max(retry_after, 0.5) * (1 + 0.3 * jitter)
    else:
        doubled = FIRST_WAIT.total_seconds() * 2 ** min(attempts - 1, 20)
        wait = min(LONGEST_WAIT.total_seconds(), doubled) * (1 - JITTER + 2 * JITTER * jitter)
    return now + wait if now + wait <= until else None
