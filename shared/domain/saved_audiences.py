"""Saved audiences in a request: their names, and the one audience that all of it together is. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from shared.domain.audience import Audience
from shared.domain.recipients import identifier_of

MOST_IDS_TOGETHER = 5_000
"""Ids of an audience with its saved ones. The cursor's row keeps the places of unknown groups among them as one text
of at most 32 K, so 5,000 of up to five characters."""
LARGEST_AUDIENCE = 640 * 1024
"""Bytes of an audience with its saved ones, as the cursor's row keeps it beside the plan's own properties."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedNames:
    """Names of saved audiences as they were given: of those who are meant, and of those who are left out."""

    members: tuple[str, ...] = ()
    exceptions: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether any is named."""
        return bool(self.members or self.exceptions)


def join(audience: Audience, *, members: Sequence[Audience], exceptions: Sequence[Audience]) -> Audience:
    """An audience with the saved ones that belong to it.

    Whom one of the `members` leaves out is left out of the whole, which can only leave out more: nobody gets a message
    that some author took care to spare them. For the same reason all people, groups and rosters of the `exceptions` are
    left out, also those whom these leave out themselves.
    """
    parts = (audience, *members)
    # By fields, so that no kind of audience can be forgotten here. Nobody saves those of another broadcast.
    kinds = [field.name for field in fields(Audience) if field.name not in ("derived", "shared")]
    whole = replace(audience, **{kind: _together([getattr(part, kind) for part in parts]) for kind in kinds})
    people = {one for part in exceptions for one in (*part.users, *part.names)}
    groups = {one for part in exceptions for one in part.groups}
    rosters = {one for part in exceptions for one in part.rosters}
    return replace(
        whole,
        except_people=tuple(sorted({*whole.except_people, *people})),
        except_groups=tuple(sorted({*whole.except_groups, *groups})),
        except_rosters=tuple(sorted({*whole.except_rosters, *rosters})),
    )


def can_be_left_out(audience: Audience) -> bool:
    """Whether an audience is one of people, groups and rosters alone."""
    people = replace(audience, users=(), names=(), groups=(), rosters=())
    return replace(people, except_people=(), except_groups=(), except_rosters=()) == Audience()


def number_of_ids(audience: Audience) -> int:
    """How many ids an audience holds, those that are left out among them."""
    lists = [getattr(audience, field.name) for field in fields(Audience)]
    return sum(len(ids) for ids in lists if isinstance(ids, tuple))


def named_in_two_ways(audience: Audience) -> list[str]:
    """Ids that stand for a channel and for a group chat at once, which would get the message twice."""
    seen, twice = set[str](), list[str]()
    for identifier in map(identifier_of, audience.conversations):
        if identifier in seen:
            twice.append(identifier)
        seen.add(identifier)
    return twice


def _together(values: Sequence[Any]) -> Any:
    if isinstance(values[0], bool):
        return any(values)
    return tuple(sorted({one for value in values for one in value}))
