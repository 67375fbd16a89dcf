"""Reads a broadcast request: a JSON object becomes a `BroadcastRequest`, or every fault in it is named at once.

The contract is told for callers in docs/requests.md.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

import orjson

from shared.audience_requests import audience_faults, name_faults, read_audience, read_saved, too_many_ids
from shared.contract import ContentBody, EditBody, OptionsBody, RampBody, RequestBody, SendBody
from shared.domain.audience import Audience
from shared.domain.broadcasts import DeliveryMode, Priority
from shared.domain.local_time import instant_of, zone_named
from shared.domain.modes import Mode
from shared.domain.own_clocks import OwnClock
from shared.domain.recipients import OBJECT_ID, RecipientKind, recipient_key
from shared.domain.rehearsals import Ramp
from shared.domain.requests import BroadcastRequest, Content
from shared.domain.saved_audiences import SavedNames
from shared.errors import Fault, InvalidRequest
from shared.faults import limit, read_as
from shared.field_rules import NO_RAMP, RECIPIENT_ZONE, read_duration, read_moment

LARGEST_MESSAGE = 80 * 1024
"""Bytes of a message's text or card in UTF-16: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/format-your-bot-messages"""
DEEPEST_CARD = 100


def read_request(
    document: Mapping[str, Any],
    *,
    tenants: Collection[str],
    key: str,
    found: Sequence[Fault] = (),
    takes_names: bool = False,
) -> BroadcastRequest:
    """Read a request. `key` stands in where it has none of its own, and `found` was found wrong beside it.

    With `takes_names` people may be named by sign-in name or mail, and teams by their group's id. Raises InvalidRequest
    with all of its faults.
    """
    if too_many := too_many_ids(document.get("audience")):
        # Each of a hundred thousand wrong ids would be looked at and told, for seconds.
        raise InvalidRequest([*found, too_many])
    body, wrong = read_as(RequestBody, document)
    faults = [*found, *wrong]
    # These rules look at several fields, so they read the document itself: they hold whatever else is wrong with it.
    faults += tenant_faults(document.get("tenant"), tenants)
    faults += audience_faults(document.get("audience"))
    if not takes_names:
        faults += name_faults(document.get("audience"))
    faults += _content_faults(document.get("content"))
    faults += options_faults(document.get("options"))
    faults += _send_faults(document)
    if faults or body is None:
        raise InvalidRequest(limit(faults))
    return _request(body, tenant=body.tenant or next(iter(tenants)), key=body.key or key)


def read_content(document: Mapping[str, Any]) -> Content:
    """Read the content of an edit, `{"content": {...}}`. Raises InvalidRequest with all of its faults."""
    body, faults = read_as(EditBody, document)
    faults += _content_faults(document.get("content"))
    if faults or body is None:
        raise InvalidRequest(limit(faults))
    return _content(body.content)


def tenant_of(document: Mapping[str, Any], tenants: Collection[str]) -> str | None:
    """The tenant that a document means, as far as that can be read; for filing what could not be accepted."""
    given = document.get("tenant")
    if given is None:
        return next(iter(tenants)) if len(tenants) == 1 else None
    folded = given.strip().lower() if isinstance(given, str) else ""
    return folded if folded in tenants else None


def tenant_faults(given: object, tenants: Collection[str]) -> list[Fault]:
    """What is wrong with the tenant that a document names, or does not name."""
    if given is None and len(tenants) != 1:
        return [Fault(pointer="/tenant", detail="this field is missing: the app serves several tenants")]
    if isinstance(given, str) and (folded := given.strip().lower()) not in tenants and OBJECT_ID.fullmatch(folded):
        return [Fault(pointer="/tenant", detail="the app does not serve this tenant (HERALD_ALLOWED_TENANTS)")]
    return []


def _send_faults(document: Mapping[str, Any]) -> list[Fault]:
    """What is wrong with a moment beside what is wrong with its parts."""
    given, options = document.get("send"), document.get("options")
    if not isinstance(given, Mapping):
        return []
    if isinstance(options, Mapping) and options.get("mode") == Mode.DRY_RUN:
        return [Fault(pointer="/send", detail="a dry run sends nothing, so it has no moment: leave this out")]
    at, zone = given.get("at"), given.get("zone")
    faults = _own_clock_faults(given, options)
    found = read_moment(at) if isinstance(at, str) else None
    if found is not None and found.tzinfo is None and zone is None:
        detail = "in which zone is this? name one under zone, such as Europe/Paris, or give an offset, such as +01:00"
        faults.append(Fault(pointer="/send/at", detail=detail))
    if found is not None and found.tzinfo is not None and zone is not None:
        detail = "the time has an offset already: leave the offset or the zone out"
        faults.append(Fault(pointer="/send/zone", detail=detail))
    return faults


def _own_clock_faults(send: Mapping[str, Any], options: object) -> list[Fault]:
    """What does not go with a moment on each recipient's own clock, or with nothing else."""
    is_own = send.get("zone") == RECIPIENT_ZONE
    faults = []
    if send.get("default_zone") is not None and not is_own:
        faults.append(Fault(pointer="/send/default_zone", detail='this goes with "zone": "recipient" alone'))
    if is_own and isinstance(options, Mapping) and options.get("ramp") is not None:
        faults.append(Fault(pointer="/options/ramp", detail=NO_RAMP))
    return faults


def _starts_at(body: SendBody | None) -> float:
    """The moment to send at, in seconds since the epoch; zero for at once, and for each recipient's own clock."""
    at = None if body is None else read_moment(body.at)
    if body is None or at is None or body.zone == RECIPIENT_ZONE:
        return 0.0
    return (instant_of(at, zone_named(body.zone)) if body.zone else at).timestamp()


def _own_clock(body: SendBody | None) -> OwnClock | None:
    """The local time to send at on each recipient's own clock; None for every other moment."""
    at = None if body is None else read_moment(body.at)
    if body is None or at is None or body.zone != RECIPIENT_ZONE:
        return None
    return OwnClock(at=at, default_zone=body.default_zone or "")


def options_faults(given: object) -> list[Fault]:
    """What is wrong between the options of a request as they came."""
    if not isinstance(given, Mapping):
        return []
    faults = []
    is_test, test_user = given.get("mode") == Mode.TEST, given.get("test_user")
    if is_test and test_user is None:
        detail = "who gets the message of a test? give the person's Entra object id"
        faults.append(Fault(pointer="/options/test_user", detail=detail))
    if not is_test and test_user is not None:
        faults.append(Fault(pointer="/options/test_user", detail='this goes with "mode": "test" alone'))
    ramp, life = given.get("ramp"), _duration(given.get("expires_after"))
    wait = _duration(ramp.get("wait")) if isinstance(ramp, Mapping) else None
    if life is not None and wait is not None and wait >= life:
        detail = "this is not shorter than expires_after: after the first people nobody would get the message"
        faults.append(Fault(pointer="/options/ramp/wait", detail=detail))
    return faults


def _duration(given: object) -> timedelta | None:
    return read_duration(given) if isinstance(given, str) else None


def _content_faults(given: object) -> list[Fault]:
    if not isinstance(given, Mapping):
        return []
    text, card = given.get("text"), given.get("card")
    if text is not None and card is not None:
        detail = (
            "text and card exclude each other: Teams would make two messages of them. Keep the card, and put the words "
            "for its notification into summary"
        )
        return [Fault(pointer="/content", detail=detail)]
    if text is None and card is None:
        return [Fault(pointer="/content", detail="the content is empty: give a text or a card")]
    if isinstance(text, str):
        return _size_faults("/content/text", text)
    return _card_faults(card) if isinstance(card, Mapping) else []


def _card_faults(card: Mapping[str, Any]) -> list[Fault]:
    faults = []
    if card.get("type") != "AdaptiveCard":
        faults.append(Fault(pointer="/content/card/type", detail='this must be "AdaptiveCard"'))
    version = card.get("version")
    if not isinstance(version, str) or not version.strip():
        detail = 'an Adaptive Card names its version, such as "1.5"'
        faults.append(Fault(pointer="/content/card/version", detail=detail))
    if _is_deeper(card, DEEPEST_CARD):
        detail = f"the card is nested more than {DEEPEST_CARD} levels deep"
        return [*faults, Fault(pointer="/content/card", detail=detail)]
    return faults + _size_faults("/content/card", card)


def _size_faults(place: str, part: object) -> list[Fault]:
    size = len(orjson.dumps(part).decode().encode("utf-16-le"))
    if size <= LARGEST_MESSAGE:
        return []
    detail = f"the message has {size:,} bytes of UTF-16, and Teams takes {LARGEST_MESSAGE:,} (80 KB)"
    return [Fault(pointer=place, detail=detail)]


def _is_deeper(value: object, levels: int) -> bool:
    """Whether a JSON value is nested more than so many levels deep."""
    level: list[object] = [value]
    for _ in range(levels):
        level = [inner for outer in level for inner in _inside(outer)]
    return bool(level)


def _inside(value: object) -> Collection[object]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list) else ()


def _request(body: RequestBody, *, tenant: str, key: str) -> BroadcastRequest:
    options = body.options or OptionsBody()
    test = _test_audience(options)
    return BroadcastRequest(
        tenant=tenant,
        key=key,
        audience=test or read_audience(body.audience),
        saved=SavedNames() if test else read_saved(body.audience),
        content=_content(body.content),
        delivery=options.delivery or DeliveryMode.AT_LEAST_ONCE,
        priority=options.priority or Priority.NORMAL,
        expires_after=_duration(options.expires_after),
        mode=Mode(options.mode or Mode.SEND),
        ramp=_ramp(options.ramp),
        starts_at=_starts_at(body.send),
        own_clock=_own_clock(body.send),
    )


def _ramp(body: RampBody | None) -> Ramp | None:
    wait = _duration(body and body.wait)
    return None if body is None or wait is None else Ramp(people=body.people, wait=wait.total_seconds())


def _test_audience(options: OptionsBody) -> Audience | None:
    """Whom a test is for, whoever else was named."""
    if options.test_user is None:
        return None
    return Audience(users=(recipient_key(RecipientKind.USER, options.test_user),))


def _content(body: ContentBody) -> Content:
    return Content(text=body.text, card=body.card, summary=body.summary or "", alert=bool(body.alert))
