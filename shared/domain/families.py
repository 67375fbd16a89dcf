"""What a parent has come to: the sums of its children, and of the recipients who have no delivery yet."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain.broadcasts import Broadcast
from shared.domain.outcomes import Outcome
from shared.domain.own_clocks import Moment
from shared.domain.reports import Report
from shared.domain.revisions import Revised


@dataclass(frozen=True, slots=True, kw_only=True)
class MomentSums:
    """A moment of a parent, with its child and that one's sums where there is a child."""

    moment: Moment
    child: Broadcast | None
    report: Report | None


def still_without(parent: Broadcast, child: Broadcast | None, *, people: int, now: float) -> Counter[Outcome]:
    """So many people of a moment who have no delivery, as they count: they will get one, or their broadcast is over."""
    if people <= 0:
        return Counter()
    if child is not None:
        return Counter({child.ends_open_as(now) or Outcome.PENDING: people})
    is_over = parent.stopped_at(now) is not None
    return Counter({Outcome.CANCELLED if is_over else Outcome.PENDING: people})


def sum_up_family(parent: Broadcast, moments: Sequence[MomentSums], *, now: float) -> Report:
    """The sums of a parent by its moments; the rate is that of the children that go on."""
    outcomes, revised = Counter[Outcome](), Counter[Revised]()
    for one in moments:
        planned = 0
        if one.report is not None:
            outcomes.update(one.report.outcomes)
            revised.update(one.report.revised)
            planned = one.report.total
        # Of a digest nobody knows who will be told something before that is planned.
        people = 0 if parent.digest else one.moment.people - planned
        outcomes.update(still_without(parent, one.child, people=people, now=now))
    running = [one.report for one in moments if one.report and one.child and one.child.finished_at is None]
    return Report(
        outcomes=outcomes,
        rate=sum(report.rate for report in running),
        counted_at=min((report.counted_at for report in running), default=now),
        revision=parent.revision,
        revised=revised,
    )
