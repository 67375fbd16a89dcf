"""The windows of one conversation: how much a bot may say in a channel or a group chat within some time.

Source: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/rate-limit, "send to conversation": 7 in a
second, 8 in two, 60 in thirty, 1,800 in an hour. The last sixty instants prove the first three exactly; the hour is
kept by a bucket of half its size that refills in an hour, so that no hour ever sees more than all of it.
"""

from dataclasses import dataclass

WINDOWS = ((1.0, 7), (2.0, 8), (30.0, 60))
HOUR_BURST, HOUR_RATE = 900.0, 900 / 3600
SLACK = 0.05
"""Seconds that a request may be faster or slower than the one before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """What was said of late in a conversation: the last instants, oldest first, and what the hour's bucket holds."""

    instants: tuple[float, ...] = ()
    tokens: float = HOUR_BURST
    filled_at: float = 0.0


def take(windows: Windows, *, now: float) -> tuple[Windows, float]:
    """Take the next place; the windows afterwards, and how many seconds to wait until it is there (0 for at once)."""
    at = now
    for span, most in WINDOWS:
        if len(windows.instants) >= most:
            at = max(at, windows.instants[-most] + span + SLACK)
    tokens = min(HOUR_BURST, windows.tokens + (at - windows.filled_at) * HOUR_RATE)
    if tokens < 1:
        at += (1 - tokens) / HOUR_RATE
        tokens = 1.0
    longest = WINDOWS[-1][1]
    taken = Windows(instants=(*windows.instants, at)[-longest:], tokens=tokens - 1, filled_at=at)
    return taken, at - now
