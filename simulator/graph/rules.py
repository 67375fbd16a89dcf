"""Graph's rate limits, as pure rules: a moment is passed in as monotonic seconds.

Source: https://learn.microsoft.com/graph/throttling-limits. Teams counts in several dimensions, and a request is
refused when it exceeds any; Entra counts resource units. Every request accrues, a refused one too.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from simulator.limits import Bucket

SUSTAINED_SHARE = 0.83
# How long a rate between the sustained share and the limit is borne is not documented.
SUSTAINED_BURST_S = 10.0
IDENTITY_WINDOW_S = 10.0
MAILBOX_WINDOW_S = 600.0
TELL_ABOVE = 0.8
BUCKETS_KEPT = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Requests per second: of the app over all tenants, of the app in one tenant, and for one resource by its kind."""

    per_app: float
    per_tenant: float
    per_resource: Mapping[str, float] = field(default_factory=dict)


RULES: Mapping[str, Rule] = {
    "get_installed": Rule(per_app=1500, per_tenant=30, per_resource={"chat": 1}),
    "post_installed": Rule(per_app=300, per_tenant=30, per_resource={"chat": 1}),
    "delete_installed": Rule(per_app=150, per_tenant=15, per_resource={"chat": 1}),
    "get_catalog": Rule(per_app=1500, per_tenant=30),
    "get_channels": Rule(per_app=1200, per_tenant=60, per_resource={"team": 4}),
    "get_members": Rule(per_app=1200, per_tenant=60, per_resource={"team": 4}),
    "get": Rule(per_app=1500, per_tenant=30, per_resource={"chat": 1, "user": 1}),
    "post": Rule(per_app=300, per_tenant=30, per_resource={"chat": 1}),
    "delete": Rule(per_app=150, per_tenant=15, per_resource={"chat": 1}),
    # 10,000 in ten minutes for one mailbox, all at once if need be; no limit for all of a tenant's is documented.
    "mailbox": Rule(per_app=0, per_tenant=0, per_resource={"user": 10_000 / MAILBOX_WINDOW_S}),
    # Resource units per second: a large tenant has 8,000 in ten seconds. No limit over all tenants is kept.
    "identity": Rule(per_app=0, per_tenant=800),
}


def identity_cost(base: int, query: Mapping[str, str]) -> int:
    """The resource units of a request to users or groups."""
    cost = base - ("$select" in query) + ("$expand" in query)
    top = query.get("$top", "")
    return max(1, cost - (top.isdigit() and int(top) < 20))


@dataclass(frozen=True, slots=True)
class Admission:
    """`wait` is 0 where the request may pass, else seconds; `used` is the share of the tenant's tokens that is gone."""

    wait: float
    used: float


@dataclass(slots=True)
class GraphLimits:
    """All limits of one app; a rate of 0 refuses nobody, and `on=False` lifts all."""

    on: bool = True
    rules: dict[str, Rule] = field(default_factory=lambda: dict(RULES))
    _buckets: dict[tuple[str, ...], Bucket] = field(default_factory=dict)

    def change(self, *, on: bool, rules: Mapping[str, Rule]) -> None:
        """Set other limits; every bucket starts full again, and what is not named is as documented."""
        self.on, self.rules = on, {**RULES, **rules}
        self._buckets.clear()

    def admit(self, *, rule: str, tenant: str, resource: tuple[str, str] | None, cost: int, now: float) -> Admission:
        """Take the request's share, and say how long it has to wait where it is refused."""
        if not self.on:
            return Admission(0.0, 0.0)
        buckets = list(self._counted(rule, tenant, resource, now))
        wait = max(bucket.wait(cost, now) for bucket in buckets)
        for bucket in buckets:
            bucket.take(cost)
            bucket.level = max(bucket.level, -bucket.depth)
        own = buckets[0]
        used = 1 - own.level / own.depth if own.rate > 0 else 0.0
        return Admission(float(math.ceil(wait)), used)

    def _counted(self, rule: str, tenant: str, resource: tuple[str, str] | None, now: float) -> Iterable[Bucket]:
        """Every bucket that counts the request, its tenant's first."""
        found = self.rules[rule]
        rate = found.per_tenant
        if rule == "identity":
            yield self._bucket(("tenant", rule, tenant), rate, rate * IDENTITY_WINDOW_S, now)
            return
        yield self._bucket(("tenant", rule, tenant), rate, rate, now)
        sustained = rate * SUSTAINED_SHARE
        yield self._bucket(("sustained", rule, tenant), sustained, rate * SUSTAINED_BURST_S, now)
        yield self._bucket(("app", rule), found.per_app, found.per_app, now)
        if resource is not None and resource[0] in found.per_resource:
            rate = found.per_resource[resource[0]]
            depth = rate * MAILBOX_WINDOW_S if rule == "mailbox" else rate
            yield self._bucket(("resource", rule, *resource), rate, depth, now)

    def _bucket(self, key: tuple[str, ...], rate: float, depth: float, now: float) -> Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) > BUCKETS_KEPT:
                # Those of people who were asked for once; a bucket that is forgotten is a full one again.
                self._buckets = {each: kept for each, kept in self._buckets.items() if each[0] != "resource"}
            depth = max(1.0, depth)
            bucket = self._buckets[key] = Bucket(rate, depth, depth, now)
        return bucket
