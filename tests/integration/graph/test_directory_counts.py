"""Members of groups and of the tenant counted by the stand-in's Graph, with real HTTP, in batches and alone."""

from collections.abc import AsyncIterator

import pytest

from messages.directory_counts import DirectoryCounts
from shared.domain.audience import Audience
from shared.domain.estimates import Counted
from shared.errors import DirectoryRefused, DirectoryUnavailable
from shared.graph.directory_calls import DirectoryCalls
from simulator.config import Config
from simulator.standin import StandIn
from tests.integration.graph.graph_side import a_herald
from tests.integration.teams.herald_side import settings_of

UNKNOWN = "00000000-1111-2222-3333-444444444444"


@pytest.fixture
async def teams(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    async with StandIn(Config(rate=0, graph_limits=False)) as standin:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(standin.ca_file))
        yield standin


@pytest.fixture
async def counts(teams: StandIn) -> AsyncIterator[DirectoryCounts]:
    async with a_herald(teams, settings_of(teams)) as herald:
        yield DirectoryCounts(DirectoryCalls(herald.client))


async def test_groups_and_the_tenant_are_counted_in_batches(teams: StandIn, counts: DirectoryCounts) -> None:
    people = teams.add_people(2_500)
    inner = teams.add_group("inner", members=people[1_000:])
    groups = [teams.add_group("outer", members=people[:1_200], groups=[inner]), inner]
    groups += [teams.add_group(f"group {number}", members=people[: number + 1]) for number in range(30)]
    audience = Audience(groups=tuple(sorted([*(group.id for group in groups), UNKNOWN])), everyone_in_tenant=True)

    parts, unknown = await counts.parts(teams.tenant_id, audience)

    sizes = {part.id: part.count for part in parts}
    small = {group.id: number + 1 for number, group in enumerate(groups[2:])}
    assert sizes.pop(None) == len(teams.world.directory.people)
    assert sizes == {groups[0].id: 2_500, inner.id: 1_500} | small
    assert {part.id for part in parts if part.is_extrapolated} == {None, groups[0].id, inner.id}
    assert {part.counted for part in parts} == {Counted.PEOPLE}
    assert unknown == [UNKNOWN]
    # 34 counts and 34 pages: two batches of 17 for each.
    assert teams.graph_summary().by_kind["batch"] == 4


async def test_one_group_is_counted_without_a_batch(teams: StandIn, counts: DirectoryCounts) -> None:
    teams.set_graph(page_limit=10)
    group = teams.add_group("group", members=teams.add_people(40))

    (part,), _ = await counts.parts(teams.tenant_id, Audience(groups=(group.id,)))

    assert (part.count, part.sample.size, "batch" in teams.graph_summary().by_kind) == (40, 10, False)


async def test_all_members_are_counted_where_people_cannot_be_counted_alone(
    teams: StandIn, counts: DirectoryCounts
) -> None:
    teams.set_graph(page_limit=10)
    inner = [teams.add_group(f"group {number}") for number in range(40)]
    group = teams.add_group("group", members=teams.add_people(5), groups=inner)
    teams.misbehave(status=400, code="Request_UnsupportedQuery", kinds=["graph.members_count"], count=1)

    (part,), _ = await counts.parts(teams.tenant_id, Audience(groups=(group.id,)))

    assert (part.count, part.counted) == (45, Counted.MEMBERS)
    # Five of ten entries on the page are people: so, it seems, are half of all members.
    assert (len(part.sample.keys), part.sample.size) == (5, 10)


async def test_groups_that_are_left_out_are_looked_for(teams: StandIn, counts: DirectoryCounts) -> None:
    group = teams.add_group("group")

    assert await counts.unknown_in(teams.tenant_id, [group.id, UNKNOWN]) == [UNKNOWN]


async def test_a_count_without_consent_is_a_refusal(teams: StandIn, counts: DirectoryCounts) -> None:
    group = teams.add_group("group", members=teams.add_people(3))
    teams.consent(["TeamsAppInstallation.ReadWriteSelfForUser.All"])

    with pytest.raises(DirectoryRefused, match="403"):
        await counts.parts(teams.tenant_id, Audience(groups=(group.id,)))


async def test_a_throttled_count_says_when_to_come_again(teams: StandIn, counts: DirectoryCounts) -> None:
    teams.misbehave(status=429, code="TooManyRequests", retry_after=7, kinds=["graph.users_count"], count=1)

    with pytest.raises(DirectoryUnavailable) as caught:
        await counts.parts(teams.tenant_id, Audience(everyone_in_tenant=True))

    assert caught.value.retry_after == 7
