"""An item for a digest is read, or everything that is wrong with it is named."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from shared.digest_items import DIGEST_NAME, read_item
from shared.domain.digests import Item, Severity
from shared.errors import Fault, InvalidRequest
from shared.storage.digest_items import NewItem
from shared.storage.rows import FORBIDDEN_IN_KEYS
from tests.twins.accepting import ALICE, CHANNEL, CHAT, NOON, TENANT, user

DAY = 86_400.0
GROUP = "02bd9fd6-8f93-4758-87c3-1fb73740a315"
PAGE = (Path(__file__).resolve().parents[3] / "docs" / "digests.md").read_text(encoding="utf-8")


def an_item_document(**changes: Any) -> dict[str, Any]:
    """A right item for Alice, with members replaced; None leaves one out."""
    document = {"version": 1, "digest": "daily", "person": ALICE, "title": "Disk is full"}
    return {name: value for name, value in {**document, **changes}.items() if value is not None}


def for_audience(**audience: Any) -> dict[str, Any]:
    return an_item_document(person=None, audience=audience)


def read(document: Mapping[str, Any], *, receipt: str = "message!m1", **options: Any) -> NewItem:
    return read_item(document, tenants=[TENANT], now=NOON, receipt=receipt, **options)


def faults_of(document: Mapping[str, Any], **options: Any) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        read(document, **options)
    return {fault.pointer: fault.detail for fault in caught.value.faults}


def at(seconds: float) -> str:
    """An instant so many seconds from now."""
    return (datetime.fromtimestamp(NOON, UTC) + timedelta(seconds=seconds)).isoformat(timespec="seconds")


def test_a_plain_item_is_read_and_waits_for_thirty_days() -> None:
    new = read(an_item_document(person=ALICE.upper()))

    assert (new.tenant, new.digest, new.person, new.audience) == (TENANT, "daily", f"user!{ALICE}", None)
    assert new.item == Item(title="Disk is full", at=NOON, expires_at=NOON + 30 * DAY)


def test_every_field_of_an_item_is_read() -> None:
    document = an_item_document(
        tenant=TENANT, text="**Now**", link="https://example.com/a?b=c#d", severity="critical", key="disk"
    )

    new = read({**document, "expires_after": "PT1H"})
    other = read({**document, "expires_at": at(7_200)})

    assert new.item == Item(
        title="Disk is full",
        text="**Now**",
        link="https://example.com/a?b=c#d",
        severity=Severity.CRITICAL,
        at=NOON,
        expires_at=NOON + 3_600,
    )
    assert other.item.expires_at == NOON + 7_200


def test_null_is_absent() -> None:
    names = ("tenant", "audience", "text", "link", "severity", "key", "expires_after", "expires_at")

    assert read({**an_item_document(), **dict.fromkeys(names)}) == read(an_item_document())


def test_an_audience_is_kept_as_a_request_writes_it() -> None:
    audience = {
        "users": [ALICE],
        "groups": [GROUP],
        "rosters": [CHAT],
        "everyone": "installed",
        "saved": ["sales"],
        "except": {"users": [user(1)]},
    }

    new = read(for_audience(**audience))

    assert (new.person, new.audience) == ("", audience)


def test_a_key_gives_an_item_its_id_and_else_the_receipt_does() -> None:
    keyed = [read(an_item_document(key="disk"), receipt=receipt).id for receipt in ("message!m1", "message!m2")]
    plain = [read(an_item_document(), receipt=receipt).id for receipt in ("message!m1", "message!m1", "message!m2")]

    assert keyed[0] == keyed[1] != read(an_item_document(key="Disk")).id
    assert plain[0] == plain[1] != plain[2]
    # A key that looks like a receipt is none.
    assert read(an_item_document(key="m1")).id != plain[0] != read(an_item_document(key="message!m1")).id
    assert all(re.fullmatch(r"[0-9a-z]{20}", one) for one in keyed + plain)


def test_the_version_is_that_of_the_words() -> None:
    document = an_item_document(text="Now")

    same = read({**dict(reversed(document.items())), "tenant": TENANT, "link": None}, receipt="message!m2")
    changed = [
        read(an_item_document(**changes)).version
        for changes in ({}, {"text": "now"}, {"person": user(1)}, {"key": "k"}, {"expires_after": "P1D"})
    ]

    assert same.version == read(document).version
    assert len({*changed, same.version}) == 6


@pytest.mark.parametrize("name", ["daily", "7", "a-b", "a" * 64])
def test_names_of_digests_are_at_home_in_keys(name: str) -> None:
    assert DIGEST_NAME.fullmatch(name)
    assert FORBIDDEN_IN_KEYS.isdisjoint(read(an_item_document(digest=name)).digest)


@pytest.mark.parametrize(
    "link",
    [
        "https://example.com",
        "HTTPS://EXAMPLE.COM:8443/a b".replace(" ", "%20"),
        "https://[::1]/",
        "https://dömäne.de/ü",
    ],
)
def test_addresses_are_taken(link: str) -> None:
    assert read(an_item_document(link=link)).item.link == link


def test_the_longest_item_is_right() -> None:
    link = "https://example.com/" + "x" * 1_980
    document = an_item_document(title="t" * 200, text="x" * 1_000, link=link, key="k" * 200, expires_at=at(30 * DAY))

    assert read(document).item.link == link
    assert len(read(for_audience(users=[user(number) for number in range(1_000)])).audience or ()) == 1


@pytest.mark.parametrize(
    ("changes", "pointer", "words"),
    [
        ({"version": 2}, "/version", "1"),
        ({"digest": "Daily"}, "/digest", "1 to 64 small letters, digits and hyphens"),
        ({"digest": "-daily"}, "/digest", "the first is no hyphen"),
        ({"digest": "d" * 65}, "/digest", "1 to 64"),
        ({"digest": "daily\n"}, "/digest", "1 to 64"),
        ({"digest": None}, "/digest", "missing"),
        ({"tenant": user(1)}, "/tenant", "does not serve this tenant"),
        ({"person": None}, "", "a person's Entra object id under person, or an audience"),
        ({"person": "ann@contoso.com"}, "/person", "this is a sign-in name"),
        ({"person": CHAT}, "/person", "this is a conversation"),
        ({"audience": {"users": [ALICE]}}, "/person", "exclude each other"),
        ({"title": None}, "/title", "missing"),
        ({"title": " "}, "/title", "the title is empty"),
        ({"title": "t" * 201}, "/title", "at most 200 characters"),
        ({"text": "x" * 1_001}, "/text", "at most 1000 characters"),
        ({"text": 7}, "/text", "a string"),
        ({"link": "http://example.com"}, "/link", "an https address"),
        ({"link": "javascript:alert(1)"}, "/link", "an https address"),
        ({"link": "https://ann@example.com"}, "/link", "without a user's name"),
        ({"link": "https://example.com/a b"}, "/link", "an https address"),
        ({"link": "https://example.com\\@evil.com"}, "/link", "an https address"),
        ({"link": "https://example.com:x/"}, "/link", "an https address"),
        ({"link": "https://[::1"}, "/link", "an https address"),
        ({"link": "https://"}, "/link", "an https address"),
        ({"link": "https://example.com/" + "x" * 1_981}, "/link", "at most 2000 characters"),
        ({"severity": "urgent"}, "/severity", '"critical", "warning" or "info"'),
        ({"key": ""}, "/key", "must not be empty"),
        ({"key": "k" * 201}, "/key", "at most 200 characters"),
        ({"expires_after": "P1M"}, "/expires_after", "an ISO 8601 duration"),
        ({"expires_after": "P31D"}, "/expires_after", "at most P30D"),
        ({"expires_after": "PT0S"}, "/expires_after", "longer than nothing"),
        ({"expires_at": "2026-06-05T18:00"}, "/expires_at", "an instant with its offset"),
        ({"expires_at": at(0)}, "/expires_at", "this is over"),
        ({"expires_at": at(30 * DAY + 1)}, "/expires_at", "at most 30 days from now"),
        ({"expires_at": at(60), "expires_after": "P1D"}, "/expires_at", "exclude each other"),
        ({"titel": "x"}, "/titel", "there is no such field; the fields here are version, digest, tenant, person"),
    ],
)
def test_what_is_wrong_with_an_item_is_told(changes: Mapping[str, Any], pointer: str, words: str) -> None:
    faults = faults_of(an_item_document(**changes))

    assert list(faults) == [pointer]
    assert words in faults[pointer]


@pytest.mark.parametrize(
    ("audience", "pointer", "words"),
    [
        ({"channels": [CHANNEL]}, "/audience/channels", "a digest goes to people"),
        ({"chats": [CHAT]}, "/audience/chats", "A group chat's members are its roster"),
        ({"teams": [CHANNEL], "users": [ALICE]}, "/audience/teams", "A team's members are its roster"),
        ({"from": "0" * 20, "users": [ALICE]}, "/audience/from", "another broadcast cannot be meant"),
        ({}, "/audience", "the audience is empty"),
        ({"users": ["ann@contoso.com"]}, "/audience/users/0", "this is a sign-in name"),
        ({"users": [ALICE] * 1_001}, "/audience", "1,001 ids are named"),
        ({"everyone": "all"}, "/audience/everyone", '"installed" or "tenant"'),
        ({"saved": ["S"]}, "/audience/saved/0", "the name of a saved audience"),
    ],
)
def test_what_is_wrong_with_an_audience_is_told(audience: Mapping[str, Any], pointer: str, words: str) -> None:
    faults = faults_of(for_audience(**audience))

    assert list(faults) == [pointer]
    assert words in faults[pointer]


def test_people_are_named_where_names_are_looked_up() -> None:
    new = read(for_audience(users=["Ann@contoso.com"]), takes_names=True)

    assert new.audience == {"users": ["ann@contoso.com"]}


def test_everything_is_told_at_once() -> None:
    document = {"version": 2, "title": "", "audience": {"chats": [CHAT]}, "expires_at": "now", "nmae": "x"}

    found = [Fault(pointer="/digest", detail="else")]

    assert set(faults_of(document, found=found)) == {
        *("/version", "/digest", "/title", "/audience/chats", "/expires_at", "/nmae")
    }


def test_of_several_tenants_one_is_named() -> None:
    with pytest.raises(InvalidRequest, match="the app serves several tenants"):
        read_item(an_item_document(), tenants=[TENANT, user(1)], now=NOON, receipt="message!m1")

    assert read_item(
        an_item_document(tenant=user(1)), tenants=[TENANT, user(1)], now=NOON, receipt="message!m1"
    ).tenant == user(1)


def test_the_examples_of_the_page_are_right() -> None:
    found = re.search(r"-d '(\{.*?\n\})'", PAGE, re.DOTALL)
    on_the_queue = re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    assert on_the_queue is not None

    over_http = read({**orjson.loads(found[1]), "digest": "daily"})
    queued = read_item(
        orjson.loads(on_the_queue[1]),
        tenants=[TENANT],
        now=datetime(2030, 6, 1, tzinfo=UTC).timestamp(),
        receipt="message!m1",
    )

    assert over_http.item.severity is Severity.WARNING
    assert queued.audience == {"groups": [GROUP]}
