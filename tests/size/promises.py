"""What a plan of any size promises."""

from collections.abc import Iterator

from shared.domain.plans import FIRST_RUN
from tests.size.run import Plan

MOST_MEMORY = 160 * 1024 * 1024
"""Of a planner's process. Some 70 MiB are Python with its libraries; the keys of a million people would be 140 more."""


def broken_by(plan: Plan) -> Iterator[str]:
    """Yield a sentence for each promise that did not hold."""
    register = plan.register
    if register.lost or register.doubled:
        yield f"{register.lost} recipients have no delivery, {register.doubled} more than one"
    yield from register.faults[:10]
    if plan.planned_at_first_nudge != FIRST_RUN:
        yield f"sending was to start at {FIRST_RUN} recipients, not at {plan.planned_at_first_nudge}"
    if (peak := plan.peak_by(register.people)) > MOST_MEMORY:
        yield f"a planner had {peak} bytes, {MOST_MEMORY} are allowed"
