"""Groups of people and of other groups."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Group:
    """A security group, or the Microsoft 365 group of a team (`unified`).

    `members` are object ids of people, `groups` the ids of groups inside it: a group may contain itself that way.
    """

    id: str
    name: str
    tenant_id: str
    members: list[str]
    groups: list[str]
    unified: bool = False


def groups_below(group: Group, known: Mapping[str, Group]) -> list[Group]:
    """All groups inside this one, each once, and never itself."""
    found: dict[str, Group] = {}
    waiting = list(group.groups)
    while waiting:
        each = waiting.pop(0)
        if each not in found and each != group.id:
            found[each] = known[each]
            waiting.extend(known[each].groups)
    return list(found.values())


def everybody_in(group: Group, known: Mapping[str, Group]) -> list[str]:
    """The object ids of all people in this group or in one inside it, each once."""
    groups = (group, *groups_below(group, known))
    return list(dict.fromkeys(member for each in groups for member in each.members))
