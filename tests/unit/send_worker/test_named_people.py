"""People by sign-in name or mail: found when a broadcast is planned, or told as not found."""

import pytest

from messages import parts
from messages.reports import Reports
from shared.domain.audience import Audience, Derived
from shared.domain.modes import Mode
from shared.domain.outcomes import Outcome, State
from shared.domain.requests import BroadcastRequest, Content
from tests.twins.directory import FORBIDDEN, THROTTLED, Account, Fault, MemoryDirectory
from tests.twins.world import TENANT, World, in_a_world, object_id

STAFF = "22222222-1111-1111-1111-111111111111"
PEOPLE = [
    Account(object_id(number), upn=f"u{number}@contoso.com", mail=f"person.{number}@contoso.com")
    for number in range(600)
]


def reports_of(world: World) -> Reports:
    return parts.reports(world.app())


def test_people_are_reached_by_either_name_and_who_is_unknown_is_told() -> None:
    graph = MemoryDirectory(PEOPLE)

    async def scenario(world: World) -> None:
        world.start()
        await world.install(range(600))
        names = ["U1@contoso.com", "person.2@contoso.com", "nobody@contoso.com", "u3@contoso.com"]
        broadcast = await world.accept(users=[3, 4], names=names)
        await world.finished(broadcast)

        report = await world.report(broadcast)
        page = await reports_of(world).deliveries(broadcast, first=0, most=1_000)
        lost = [one for one in page.deliveries if one["recipient"]["kind"] == "name"]
        assert set(world.connector.received.values()) == {1}
        assert world.states(broadcast) == {State.SENT: 4, State.UNDELIVERABLE: 1}
        assert (report["state"], report["reasons"]) == ("finished", {"user_not_found": 1})
        assert lost == [
            {
                "recipient": {"kind": "name", "id": "nobody@contoso.com"},
                "state": "undeliverable",
                "reason": "user_not_found",
                "attempts": 0,
                "activity_id": None,
                "due_at": None,
            }
        ]

    in_a_world(scenario, graph=graph)


def test_only_unknown_people_are_a_broadcast_that_ends() -> None:
    async def scenario(world: World) -> None:
        world.start()
        broadcast = await world.accept(names=["nobody@contoso.com"])
        await world.finished(broadcast)

        assert world.states(broadcast) == {State.UNDELIVERABLE: 1}
        assert world.posts() == 0

    in_a_world(scenario, graph=MemoryDirectory(PEOPLE))


def test_hundreds_of_names_are_found_in_few_calls() -> None:
    graph = MemoryDirectory(PEOPLE, {STAFF: PEOPLE[500:]})

    async def scenario(world: World) -> None:
        world.start()
        names = [*(f"u{number}@contoso.com" for number in range(550)), *(f"x{number}@y.com" for number in range(50))]
        broadcast = await world.accept(names=names, groups=[STAFF], mode=Mode.SANDBOX)
        await world.finished(broadcast)

        # Who is in a group as well gets the message once.
        assert world.states(broadcast) == {State.SENT: 600, State.UNDELIVERABLE: 50}
        assert len(graph.asked) < 50

    in_a_world(scenario, graph=graph)


@pytest.mark.parametrize("fault", [THROTTLED, FORBIDDEN])
def test_names_wait_for_graph(fault: Fault) -> None:
    graph = MemoryDirectory(PEOPLE, fault=lambda number: fault if number < 2 else None)

    async def scenario(world: World) -> None:
        world.start()
        broadcast = await world.accept(names=["u1@contoso.com"], mode=Mode.SANDBOX)
        await world.finished(broadcast, within=600)

        assert world.states(broadcast) == {State.SENT: 1}

    in_a_world(scenario, graph=graph)


def test_a_retry_looks_unknown_people_up_again() -> None:
    graph = MemoryDirectory(PEOPLE[:5])

    async def scenario(world: World) -> None:
        world.start()
        await world.install(range(10))
        first = await world.accept(names=["u3@contoso.com", "u7@contoso.com", "u8@contoso.com"])
        await world.finished(first)
        graph.users = PEOPLE[:8]

        request = BroadcastRequest(
            tenant=TENANT,
            key="again",
            audience=Audience(derived=Derived(broadcast=first, outcomes=Outcome.USER_NOT_FOUND.value)),
            content=Content(text="Hello"),
        )
        again = (await world.app().acceptance.accept(request)).broadcast_id
        await world.finished(again)

        assert world.states(first) == {State.SENT: 1, State.UNDELIVERABLE: 2}
        assert world.states(again) == {State.SENT: 1, State.UNDELIVERABLE: 1}

    in_a_world(scenario, graph=graph)


def test_a_dry_run_tells_who_is_unknown() -> None:
    async def scenario(world: World) -> None:
        world.start()
        await world.install([1])
        names = ["u1@contoso.com", "u2@contoso.com", "nobody@contoso.com"]
        broadcast = await world.accept(names=names, mode=Mode.DRY_RUN)
        await world.finished(broadcast)

        rehearsal = (await world.report(broadcast))["rehearsal"]
        counts = {
            "reachable": 1,
            "blocked": 0,
            "to_install": 1,
            "user_not_found": 1,
            "conversation_gone": 0,
            "opted_out": 0,
        }
        assert (rehearsal["recipients"], rehearsal["counts"]) == (3, counts)

    in_a_world(scenario, graph=MemoryDirectory(PEOPLE))


def test_one_unknown_person_can_be_asked_for() -> None:
    async def scenario(world: World) -> None:
        world.start()
        broadcast = await world.accept(names=["nobody#ext#@contoso.com"], users=range(150))
        await world.finished(broadcast)

        found = await world.app().search.find(broadcast, "name!nobody%23ext%23@contoso.com")
        assert found is not None

    in_a_world(scenario, graph=MemoryDirectory(PEOPLE))
