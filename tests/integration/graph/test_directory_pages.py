"""Groups and the tenant read page by page from the stand-in's Graph, with real HTTP and real tokens."""

from collections import Counter
from collections.abc import AsyncIterator

import pytest

from send_worker.directory_pages import DirectoryPages
from shared.domain.audience import Audience, Source
from shared.domain.pages import Skip
from shared.domain.recipients import RecipientKind, identifier_of, recipient_key
from shared.errors import DirectoryRefused, DirectoryUnavailable, PageExpired
from shared.graph.directory_calls import DirectoryCalls
from shared.graph.named_people import NamedPeople
from shared.tokens.credentials import graph_tokens
from simulator.config import Config
from simulator.places import Person
from simulator.standin import StandIn
from tests.integration.graph.graph_side import Vault, a_herald
from tests.integration.teams.herald_side import settings_of

TENANT = Audience(everyone_in_tenant=True)
UNKNOWN = "00000000-1111-2222-3333-444444444444"


@pytest.fixture
async def teams(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    async with StandIn(Config(rate=0, graph_limits=False)) as standin:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(standin.ca_file))
        yield standin


@pytest.fixture
async def pages(teams: StandIn) -> AsyncIterator[DirectoryPages]:
    async with a_herald(teams, settings_of(teams)) as herald:
        yield DirectoryPages(DirectoryCalls(herald.client))


class Read:
    """All that a source brings, page by page."""

    def __init__(self, pages: DirectoryPages, teams: StandIn, audience: Audience, source: Source) -> None:
        self._pages, self._teams, self._audience, self._source = pages, teams, audience, source
        self.keys = Counter[str]()
        self.skipped: dict[str, Skip] = {}
        self.unknown: list[str] = []
        self.pages = 0
        self.token = ""

    async def next(self) -> None:
        """Read one page."""
        page = await self._pages.page(self._teams.tenant_id, self._audience, self._source, self.token)
        self.keys.update(page.keys)
        self.skipped |= page.skipped
        self.unknown += [page.unknown] if page.unknown else []
        self.pages += 1
        self.token = page.token

    async def to_the_end(self) -> "Read":
        """Read all pages from here on."""
        await self.next()
        while self.token:
            await self.next()
        return self


def keys_of(people: list[Person]) -> set[str]:
    return {f"user!{person.object_id}" for person in people}


async def test_the_members_of_groups_are_told_also_by_way_of_groups_inside(
    teams: StandIn, pages: DirectoryPages
) -> None:
    members, guests = teams.add_people(2_100), teams.add_people(30, guest=True)
    inner = teams.add_group("inner", members=[*members[1_500:], *guests])
    outer = teams.add_group("outer", members=members[:1_600], groups=[inner])
    inner.groups.append(outer.id)
    audience = Audience(groups=tuple(sorted([outer.id, inner.id, UNKNOWN])))

    read = await Read(pages, teams, audience, Source.GROUPS).to_the_end()

    assert set(read.keys) == keys_of(members)
    assert read.skipped == dict.fromkeys(keys_of(guests), Skip.GUESTS)
    assert read.unknown == [UNKNOWN]
    # Three pages for each group, and none for the one that is not there.
    assert read.pages == 7


async def test_everybody_of_the_tenant_is_told_with_pages_that_overlap(teams: StandIn, pages: DirectoryPages) -> None:
    members, disabled = teams.add_people(700), teams.add_people(20, enabled=False)
    teams.set_graph(page_limit=100, repeats=7)

    read = await Read(pages, teams, TENANT, Source.TENANT).to_the_end()

    assert set(read.keys) >= keys_of(members)
    assert read.keys.total() > len(read.keys)
    assert keys_of(disabled) <= {key for key, why in read.skipped.items() if why is Skip.DISABLED}
    assert read.pages > 7


async def test_a_link_that_has_expired_begins_its_own_group_anew(teams: StandIn, pages: DirectoryPages) -> None:
    groups = [teams.add_group(name, members=teams.add_people(150)) for name in ("one", "two")]
    audience = Audience(groups=tuple(sorted(group.id for group in groups)))
    teams.set_graph(page_limit=100)
    read = Read(pages, teams, audience, Source.GROUPS)
    for _ in range(3):
        await read.next()
    teams.set_graph(page_life_s=0.0)

    with pytest.raises(PageExpired) as caught:
        await read.next()

    teams.set_graph(page_life_s=None)
    read.token = caught.value.start
    await read.to_the_end()
    assert len(read.keys) == 300
    assert read.pages == 5


async def test_consent_that_is_given_later_is_met_by_a_new_token(teams: StandIn) -> None:
    group = teams.add_group("group", members=teams.add_people(3))
    settings, tenant = settings_of(teams), teams.tenant_id
    teams.consent(["TeamsAppInstallation.ReadWriteSelfForUser.All"])
    without = await graph_tokens(settings, tenant).token()
    teams.consent()
    vault = Vault([without, await graph_tokens(settings, tenant).token()])
    async with a_herald(teams, settings, tokens_of=vault.source) as herald:
        read = Read(DirectoryPages(DirectoryCalls(herald.client)), teams, Audience(groups=(group.id,)), Source.GROUPS)
        with pytest.raises(DirectoryRefused, match="403 Authorization_RequestDenied"):
            await read.next()
        await read.next()

    assert (len(read.keys), vault.asked) == (3, 2)


async def test_ids_without_what_tells_guests_are_no_audience(teams: StandIn, pages: DirectoryPages) -> None:
    group = teams.add_group("group", members=teams.add_people(3))
    teams.consent(["GroupMember.ReadBasic.All"])

    with pytest.raises(DirectoryRefused):
        await Read(pages, teams, Audience(groups=(group.id,)), Source.GROUPS).next()


async def test_a_directory_that_fails_is_asked_again_later(teams: StandIn, pages: DirectoryPages) -> None:
    teams.misbehave(code="serviceNotAvailable", status=503, retry_after=7, kinds=["graph.users"], count=1)
    read = Read(pages, teams, TENANT, Source.TENANT)

    with pytest.raises(DirectoryUnavailable, match="503") as caught:
        await read.next()

    assert caught.value.retry_after == 7
    await read.to_the_end()


async def test_people_are_found_by_sign_in_name_and_by_mail(teams: StandIn) -> None:
    by_upn, by_mail = teams.add_people(35), teams.add_people(5, guest=True)
    assert all(one.mail != one.upn for one in by_mail)
    lost = ["nobody@contoso.example", "o'nobody#ext#@contoso.example"]
    named = [*(one.upn.upper() for one in by_upn), *(one.mail for one in by_mail), *lost]
    keys = sorted(recipient_key(RecipientKind.NAME, name) for name in named)
    async with a_herald(teams, settings_of(teams)) as herald:
        found = await NamedPeople(DirectoryCalls(herald.client)).resolve(teams.tenant_id, keys)

    assert {key for key in found if key.startswith("user!")} == keys_of([*by_upn, *by_mail])
    assert sorted(identifier_of(key) for key in found if key.startswith("name!")) == lost
