"""Audiences from Graph: how a storm draws them, and whom an ask means in the end."""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from shared.domain.outcomes import Outcome
from shared.domain.pages import Skip, unpack_places, unpack_skipped
from shared.domain.recipients import is_name
from shared.storage.rows import Value
from tests.simulation.asks import Ask
from tests.simulation.storm import Storm, Window
from tests.simulation.tenant import (
    GROUPS,
    LATE_GROUP,
    UNKNOWN_GROUP,
    UNKNOWN_NAMES,
    Tenant,
    count_skipped,
    draw_tenant,
    is_meant,
    user_key,
)
from tests.twins.directory import Account

SHARE = 0.4
"""Of all storms so many have an audience from Graph."""
MOST_NAMES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """Whom an ask means by what the directory says, whoever has the app besides."""

    wanted: frozenset[str]
    left_out: frozenset[str]
    """Who gets nothing, however else they are meant."""
    skipped: Counter[Skip] = field(default_factory=Counter)
    unknown_groups: int = 0
    known_at: float = 0.0
    """When the directory knows each group that is to be left out, in seconds from the start."""


def meant_by(ask: Ask, tenant: Tenant) -> Meant:
    """Whom an ask means, conversations and who has the app left aside."""
    listed = tenant.members(ask.groups) + (list(tenant.accounts) if ask.everyone_in_tenant else [])
    wanted = {user_key(number) for number in ask.users} | {tenant.key_of(name) for name in ask.names}
    wanted |= _keys(one for one in listed if is_meant(one))
    left_out = {user_key(number) for number in ask.but_users} | {tenant.key_of(name) for name in ask.but_names}
    left_out |= _keys(tenant.members(ask.but_groups))
    return Meant(
        wanted=frozenset(wanted - left_out),
        left_out=frozenset(left_out),
        skipped=count_skipped(listed),
        unknown_groups=ask.groups.count(UNKNOWN_GROUP),
        known_at=tenant.late_at if LATE_GROUP in ask.but_groups else 0.0,
    )


def planned_faults(meant: Meant, planned: Mapping[str, str], *, now: float) -> Iterator[str]:
    """What is wrong with recipients that are planned at this moment, each with its first outcome."""
    if now < meant.known_at:
        yield "planned while it was unknown who is to be left out"
    for recipient, outcome in planned.items():
        if recipient in meant.left_out:
            yield f"{recipient} was to be left out"
        if is_name(recipient) != (outcome == Outcome.USER_NOT_FOUND.value):
            yield f"{recipient} was planned as {outcome!r}"


def told_faults(ask: Ask, meant: Meant, cursor: Mapping[str, Value]) -> list[str]:
    """What a plan that came to its end tells wrongly of those who are left out, and of groups that are not there."""
    found = list[str]()
    skipped = unpack_skipped(str(cursor["skipped"]))
    if skipped != meant.skipped:
        found.append(f"{ask.key} left out {dict(skipped)} instead of {dict(meant.skipped)}")
    unknown = len(unpack_places(str(cursor["unknown_groups"])))
    if unknown != meant.unknown_groups:
        found.append(f"{ask.key} told of {unknown} unknown groups instead of {meant.unknown_groups}")
    if cursor["waits_for"]:
        found.append(f"{ask.key} still waits for {cursor['waits_for']!r}")
    return found


def with_directory(storm: Storm, people: int) -> Storm:
    """Draw from dice of their own, so that the others stay what they were, storms that read audiences from Graph."""
    dice = random.Random(f"directory {storm.seed} {people}")
    if dice.random() >= SHARE:
        return storm
    number = max([people // 2, storm.installed, *(user + 1 for ask in storm.asks for user in ask.users)])
    tenant = draw_tenant(dice, people=number, until=storm.until)
    is_small = bool(storm.knobs)
    page_size = dice.choice([3, 10, 999]) if is_small else dice.choice([100, 999])
    sometimes = [0.0, 0.0, 0.1, 0.4]
    refusals = (Window(start=dice.choice([0.0, dice.uniform(0, 60)]), length=dice.choice([5.0, 60.0, 400.0])),)
    knobs = {
        "MOST_NAMES": dice.choice([2, 15]),
        "AT_ONCE": dice.choice([3, 255]),
        "STEP_SECONDS": dice.choice([1, 20]),
        "BUDGET_SECONDS": dice.choice([2, 60]),
    }
    return replace(
        storm,
        asks=tuple(draw_audience(dice, ask, tenant) for ask in storm.asks),
        tenant=tenant,
        page_size=page_size,
        page_overlap=dice.choice([0, 0, 1, page_size]),
        page_repeated=dice.choice(sometimes),
        link_expired=dice.choice(sometimes),
        directory_passing=dice.choice(sometimes),
        directory_refusals=refusals if dice.random() < 0.4 else (),
        shows_ids_alone=dice.random() < 0.5,
        knobs={**storm.knobs, **knobs} if is_small else {},
    )


def draw_audience(dice: random.Random, ask: Ask, tenant: Tenant) -> Ask:
    """Give an ask an audience from the directory, mostly."""
    if dice.random() < 0.25:
        return ask
    shape = dice.random()
    groups = dice.sample(GROUPS, dice.choice([1, 1, 2, 3])) if 0.1 <= shape < 0.7 else []
    if groups and dice.random() < 0.25:
        groups.append(UNKNOWN_GROUP)
    everyone = shape >= 0.6
    ask = replace(
        ask,
        users=ask.users if dice.random() < 0.5 else (),
        names=_draw_names(dice, tenant) if shape < 0.1 or dice.random() < 0.35 else (),
        groups=tuple(groups),
        everyone=ask.everyone and not everyone,
        everyone_in_tenant=everyone,
    )
    return _draw_exceptions(dice, ask, tenant) if dice.random() < 0.5 else ask


def _draw_exceptions(dice: random.Random, ask: Ask, tenant: Tenant) -> Ask:
    late = (LATE_GROUP,) if dice.random() < 0.3 else ()
    few = min(len(tenant.accounts) // 4, MOST_NAMES)
    groups = dice.sample(GROUPS, dice.choice([0, 0, 1, 2]))
    return replace(
        ask,
        but_users=tuple(dice.sample(range(len(tenant.accounts)), few)) if dice.random() < 0.7 else (),
        but_names=_draw_names(dice, tenant) if dice.random() < 0.4 else (),
        but_groups=(*groups, *late),
    )


def _draw_names(dice: random.Random, tenant: Tenant) -> tuple[str, ...]:
    """Some people by sign-in name, some by mail, and perhaps somebody whom nobody knows."""
    some = dice.sample(tenant.accounts, min(len(tenant.accounts), dice.choice([1, 5, MOST_NAMES])))
    names = [dice.choice([one.upn, one.mail]) for one in some] + dice.sample(UNKNOWN_NAMES, dice.choice([0, 0, 1, 3]))
    return tuple(dict.fromkeys(names))


def _keys(accounts: Iterable[Account]) -> set[str]:
    return {user_key(int(one.id[-12:], 16)) for one in accounts}
