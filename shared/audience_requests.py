"""The audience of a request: the rules over several of its fields, and what it becomes.

`shared/requests.py` reads the other parts of a request.
"""

from collections.abc import Collection, Iterator, Mapping

from shared.audience_contract import AudienceBody, ExceptBody, NamedChannel
from shared.domain.audience import Audience, Derived, pack_audience
from shared.domain.outcomes import Outcome
from shared.domain.recipients import (
    GENERAL,
    PERSON_NAME,
    RecipientKind,
    fold_channel_name,
    is_group_id,
    is_name,
    is_unresolved,
    named_channel_key,
    recipient_key,
)
from shared.domain.saved_audiences import (
    LARGEST_AUDIENCE,
    MOST_IDS_TOGETHER,
    SavedNames,
    named_in_two_ways,
    number_of_ids,
)
from shared.errors import Fault
from shared.field_rules import MOST_IDS, NAME_REFUSED, TEAM_REFUSED

_NAMED = ("users", "channels", "chats", "teams", "rosters", "groups")


def too_many_ids(given: object) -> Fault | None:
    """The fault of an audience that names more than 1,000 ids, those that are left out among them."""
    parts = [given, given.get("except")] if isinstance(given, dict) else []
    lists = [part[name] for part in parts if isinstance(part, dict) for name in _NAMED if name in part]
    number = sum(len(value) for value in lists if isinstance(value, list))
    if number <= MOST_IDS:
        return None
    detail = (
        f"{number:,} ids are named, {MOST_IDS:,} are allowed in one request: cut the audience into several "
        'requests, or name "groups" or "everyone"'
    )
    return Fault(pointer="/audience", detail=detail)


def audience_faults(given: object) -> list[Fault]:
    """What is wrong between the fields of an audience as it came."""
    if not isinstance(given, Mapping):
        return []
    lists = {name: value for name in _NAMED if isinstance(value := given.get(name), list)}
    if all(given.get(name) in (None, []) for name in (*_NAMED, "everyone", "from", "saved")):
        detail = (
            "the audience is empty: name users, channels, chats, teams, rosters or groups, or everyone, "
            "or from another broadcast, or saved audiences"
        )
        return [Fault(pointer="/audience", detail=detail)]
    chosen = [name for name in ("states", "reasons") if given.get(name) not in (None, [])]
    if given.get("from") is not None and not chosen:
        detail = "of whose recipients which are meant? name states or reasons"
        return [Fault(pointer="/audience/from", detail=detail)]
    if given.get("from") is None and chosen:
        detail = "this chooses among the recipients of another broadcast: name that one under from"
        return [Fault(pointer=f"/audience/{chosen[0]}", detail=detail)]
    channels = {one for name in ("channels", "teams") for one in lists.get(name, ()) if isinstance(one, str)}
    return [
        Fault(
            pointer=f"/audience/chats/{index}", detail="this id is named as a channel or team, too: keep one of the two"
        )
        for index, chat in enumerate(lists.get("chats", ()))
        if isinstance(chat, str) and chat in channels
    ]


def name_faults(given: object) -> list[Fault]:
    """A fault for each person by sign-in name or mail and each team by its group's id, where nobody looks these up."""
    exceptions = given.get("except") if isinstance(given, Mapping) else None
    parts = (("/audience", given), ("/audience/except", exceptions))
    people = [
        Fault(pointer=place, detail=NAME_REFUSED)
        for prefix, part in parts
        for place, one in _texts_in(part, "users", prefix)
        if PERSON_NAME.fullmatch(one.strip())
    ]
    teams = [
        Fault(pointer=place, detail=TEAM_REFUSED)
        for prefix, part in parts
        for name in ("teams", "rosters", "channels")
        for place, one in _texts_in(part, name, prefix)
        if is_group_id(one.strip().lower()) and (name != "channels" or place.endswith("/team"))
    ]
    return people + teams


def _texts_in(part: object, name: str, prefix: str) -> Iterator[tuple[str, str]]:
    """The ids and names in a list of an audience, each with its place; of an object that is its team."""
    given = part.get(name) if isinstance(part, Mapping) else None
    for index, one in enumerate(given if isinstance(given, list) else ()):
        place = f"{prefix}/{name}/{index}"
        if isinstance(one, str):
            yield place, one
        elif isinstance(one, Mapping) and isinstance(one.get("team"), str):
            yield f"{place}/team", one["team"]


def read_audience(body: AudienceBody) -> Audience:
    """An audience that follows the contract: as keys, sorted, unique."""
    conversations = {_channel_key(one) for one in body.channels or ()}
    conversations |= {_team_key(one) for one in body.teams or ()}
    conversations |= {recipient_key(RecipientKind.CHAT, one) for one in body.chats or ()}
    people = {_person_key(one) for one in body.users or ()}
    exceptions = body.exceptions or ExceptBody()
    return Audience(
        users=tuple(sorted(one for one in people if not is_name(one))),
        names=tuple(sorted(filter(is_name, people))),
        conversations=tuple(sorted(one for one in conversations if not is_unresolved(one))),
        named_conversations=tuple(sorted(filter(is_unresolved, conversations))),
        everyone_installed=body.everyone == "installed",
        everyone_in_tenant=body.everyone == "tenant",
        rosters=tuple(sorted(set(body.rosters or ()))),
        groups=tuple(sorted(set(body.groups or ()))),
        except_people=tuple(sorted({_person_key(one) for one in exceptions.users or ()})),
        except_groups=tuple(sorted(set(exceptions.groups or ()))),
        except_rosters=tuple(sorted(set(exceptions.rosters or ()))),
        derived=derived(body.source, states=body.states or (), reasons=body.reasons or ()) if body.source else None,
    )


def whole_faults(audience: Audience) -> list[Fault]:
    """What is wrong with an audience as it is kept, with its saved ones, where none of its fields is wrong."""
    remedy = "cut it into several requests, or save groups in the place of their people"
    faults = list[Fault]()
    if (number := number_of_ids(audience)) > MOST_IDS_TOGETHER:
        detail = f"with its saved audiences this has {number:,} ids, {MOST_IDS_TOGETHER:,} are allowed: {remedy}"
        faults.append(Fault(pointer="/audience", detail=detail))
    elif (size := len(pack_audience(audience))) > LARGEST_AUDIENCE:
        detail = f"with any saved audiences this is kept in {size:,} bytes, {LARGEST_AUDIENCE:,} are allowed: {remedy}"
        faults.append(Fault(pointer="/audience", detail=detail))
    for identifier in named_in_two_ways(audience):
        detail = (
            f"with any saved audiences this names {identifier} as a channel or team, and as a chat: keep one of the two"
        )
        faults.append(Fault(pointer="/audience", detail=detail))
    return faults


def read_saved(body: AudienceBody) -> SavedNames:
    """The saved audiences that an audience names."""
    exceptions = body.exceptions or ExceptBody()
    return SavedNames(members=tuple(body.saved or ()), exceptions=tuple(exceptions.saved or ()))


def _person_key(named: str) -> str:
    return recipient_key(RecipientKind.NAME if "@" in named else RecipientKind.USER, named)


def _channel_key(named: str | NamedChannel) -> str:
    if isinstance(named, str):
        return recipient_key(RecipientKind.CHANNEL, named)
    if fold_channel_name(named.channel) == GENERAL:
        return _team_key(named.team)
    return named_channel_key(named.team, named.channel)


def _team_key(team: str) -> str:
    """A team's General channel, whose id is the team's; by its group's id that is not known yet."""
    return recipient_key(RecipientKind.TEAM if is_group_id(team) else RecipientKind.CHANNEL, team)


def derived(broadcast_id: str, *, states: Collection[str], reasons: Collection[str]) -> Derived:
    """The recipients of another broadcast by the states and reasons in which their deliveries ended."""
    chosen = [one for one in Outcome if not one.is_open and (one.state in states or one.reason in reasons)]
    return Derived(broadcast=broadcast_id, outcomes="".join(chosen))
