"""Graph's limits: as rules with moments given, and over HTTP."""

import pytest

from simulator.config import Config
from simulator.graph.rules import RULES, GraphLimits, identity_cost
from simulator.places import Person
from tests.simulator.graph_caller import GRAPH, GraphCaller, a_graph_caller, apps_of


def admitted(limits: GraphLimits, rule: str, count: int, *, now: float, resource: tuple[str, str] | None = None) -> int:
    """How many of so many requests pass at one moment."""
    waits = [limits.admit(rule=rule, tenant="contoso", resource=resource, cost=1, now=now).wait for _ in range(count)]
    return waits.count(0.0)


@pytest.mark.parametrize(
    ("rule", "rate"),
    [
        ("get_installed", 30),
        ("post_installed", 30),
        ("delete_installed", 15),
        ("get_catalog", 30),
        ("get_channels", 60),
        ("get_members", 60),
        ("get", 30),
        ("post", 30),
        ("delete", 15),
        ("identity", 8000),
    ],
)
def test_each_kind_has_its_documented_rate(rule: str, rate: int) -> None:
    assert admitted(GraphLimits(), rule, rate + 5, now=0) == rate


def test_kinds_are_counted_apart() -> None:
    limits = GraphLimits()
    admitted(limits, "post_installed", 30, now=0)

    assert admitted(limits, "get_installed", 30, now=0) == 30


@pytest.mark.parametrize(
    ("rule", "resource", "rate"),
    [
        ("get_installed", ("chat", "1"), 1),
        ("get_installed", ("user", "1"), 30),
        ("get_channels", ("team", "1"), 4),
        ("get", ("user", "1"), 1),
    ],
)
def test_one_resource_has_a_rate_of_its_own(rule: str, resource: tuple[str, str], rate: int) -> None:
    assert admitted(GraphLimits(), rule, 30, now=0, resource=resource) == rate


def test_one_mailbox_takes_ten_thousand_requests_in_ten_minutes_and_all_together_any_number() -> None:
    limits = GraphLimits()

    assert admitted(limits, "mailbox", 10_005, now=0, resource=("user", "1")) == 10_000
    assert admitted(limits, "mailbox", 100, now=0, resource=("user", "1")) == 0
    assert admitted(limits, "mailbox", 10_000, now=601, resource=("user", "1")) == pytest.approx(9_900, abs=20)
    assert sum(admitted(limits, "mailbox", 1, now=0, resource=("user", str(one))) for one in range(2, 5_002)) == 5_000


def test_refused_requests_accrue() -> None:
    patient, hasty = GraphLimits(), GraphLimits()
    admitted(patient, "delete_installed", 15, now=0)
    admitted(hasty, "delete_installed", 30, now=0)

    assert admitted(patient, "delete_installed", 15, now=1) == 15
    assert admitted(hasty, "delete_installed", 15, now=1) == 0


def test_steady_rate_must_stay_below_the_sustained_share() -> None:
    full, sparing = GraphLimits(), GraphLimits()

    assert sum(admitted(full, "post_installed", 30, now=second) for second in range(120)) < 30 * 120
    assert sum(admitted(sparing, "post_installed", 24, now=second) for second in range(120)) == 24 * 120


def test_tenants_have_buckets_of_their_own_below_that_of_the_app() -> None:
    limits = GraphLimits()
    passed = [
        limits.admit(rule="post_installed", tenant=str(number % 20), resource=None, cost=1, now=0).wait == 0
        for number in range(600)
    ]

    assert sum(passed) == RULES["post_installed"].per_app


@pytest.mark.parametrize(
    ("base", "query", "cost"),
    [
        (2, {}, 2),
        (2, {"$select": "id", "$top": "999"}, 1),
        (5, {"$select": "id"}, 4),
        (5, {"$expand": "manager"}, 6),
        (2, {"$select": "id", "$top": "10"}, 1),
    ],
)
def test_identity_requests_cost_units(base: int, query: dict[str, str], cost: int) -> None:
    assert identity_cost(base, query) == cost


def test_many_resources_do_not_fill_the_memory() -> None:
    limits = GraphLimits()
    for number in range(50_010):
        admitted(limits, "get", 1, now=number, resource=("user", str(number)))

    assert len(limits._buckets) < 100
    assert admitted(limits, "get", 2, now=50_010, resource=("user", "50009")) == 1


async def install_all(graph: GraphCaller, people: list[Person]) -> list[int]:
    return [(await graph.install(person)).status for person in people]


async def test_throttled_request_is_told_when_to_come_again() -> None:
    async with a_graph_caller() as graph:
        graph.teams.set_graph_limits(per_tenant={"post_installed": 0.5})
        people = graph.teams.add_people(2)

        first, second = [await graph.install(person) for person in people]

        assert (first.status, second.status, second.code) == (201, 429, "TooManyRequests")
        assert int(second.headers["Retry-After"]) == 2
        assert graph.teams.graph_summary().throttled == {"post_installed": 1}
        assert not people[1].installed


async def test_limits_can_be_lifted_and_set_again() -> None:
    async with a_graph_caller(Config(graph_limits=False)) as graph:
        people = graph.teams.add_people(40)
        assert await install_all(graph, people) == [201] * 40

        graph.teams.set_graph_limits(per_app={"get_installed": 1}, per_resource={"get": {"user": 0}})

        assert graph.teams.world.graph.limits.rules["get"].per_resource == {"chat": 1, "user": 0}
        assert [(await graph.get(apps_of(people[0]))).status for _ in range(2)] == [200, 429]
        with pytest.raises(ValueError, match="Graph has no limit speed"):
            graph.teams.set_graph_limits(per_tenant={"speed": 1})


async def test_directory_tells_when_little_is_left() -> None:
    async with a_graph_caller() as graph:
        graph.teams.set_graph_limits(per_tenant={"identity": 1})
        replies = [await graph.get("/users") for _ in range(6)]

        told = [reply.headers.get("x-ms-throttle-limit-percentage") for reply in replies]
        assert [reply.status for reply in replies] == [200] * 5 + [429]
        assert (told[0], told[4]) == (None, "1.0")


async def test_figures_can_be_counted_anew() -> None:
    async with a_graph_caller() as graph:
        (person,) = graph.teams.add_people(1)
        await graph.install(person)
        await graph.get(apps_of(person))

        summary = graph.teams.graph_summary()
        graph.teams.clear_graph_summary()

        assert (summary.requests, summary.by_kind) == (2, {"install": 1, "installations": 1})
        assert summary.by_status == {"200": 1, "201": 1}
        assert graph.teams.graph_summary().requests == 0
        assert graph.teams.installations()[person.object_id].installs == 0


async def test_role_is_asked_after_the_token() -> None:
    async with a_graph_caller() as graph:
        (person,) = graph.teams.add_people(1)
        old = graph.token
        graph.teams.consent([])
        graph.token = graph.teams.bearer(GRAPH)
        without = await graph.install(person)
        graph.token = old
        before = await graph.install(person)
        graph.token = graph.teams.bearer()
        foreign = await graph.install(person)

        assert (without.status, before.status, foreign.status) == (403, 201, 401)
        assert without.body["error"]["message"].endswith("Roles on the request ''.")
