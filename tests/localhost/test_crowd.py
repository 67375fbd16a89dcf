"""The demo's crowd, and how it is asked for: everybody is drawn into one sort, and named once."""

import random
from typing import Any

from localhost.asking import audiences_of
from localhost.crowd import count_installs, draw, gather_crowd
from localhost.following import add_up
from simulator.config import Config
from simulator.control import Control
from tests.simulator.connector_caller import Caller
from tests.simulator.graph_caller import a_graph_caller


def test_everybody_is_of_one_sort() -> None:
    drawn = draw(2_000, installed=0.6, dice=random.Random(1))

    assert drawn.friends == 1_200
    assert drawn.strangers + sum(drawn.refused.values()) == 800
    assert all(10 < number < 70 for number in drawn.refused.values())


def test_nobody_is_refused_where_all_have_the_app() -> None:
    drawn = draw(50, installed=1.0, dice=random.Random(1))

    assert (drawn.friends, drawn.strangers, set(drawn.refused.values())) == (50, 0, {0})


async def test_installs_are_counted_by_what_graph_was_asked_and_by_the_first_message() -> None:
    async with a_graph_caller(Config(graph_limits=False)) as graph, Control(graph.teams.control_url) as control:
        nobody = await gather_crowd(control, 0, installed=0.0)
        once, twice, late = await control.add_people(3)
        for person in (once, twice, twice):
            await graph.install(person)
        caller = Caller(graph.teams, graph.session, graph.teams.bearer())
        chat = (await caller.create(once.object_id)).body["id"]
        await caller.send(chat, text="something else")
        await graph.install(late)
        await caller.send(chat, text="hello")

        counted = await count_installs(control, nobody, text="hello")
        unsent = await count_installs(control, nobody, text="never sent")
        early = await count_installs(control, nobody, text="something else")

    assert (counted.now, counted.twice, counted.before_first) == (3, 1, 3)
    assert (early.before_first, unsent.before_first) == (2, 3)


def test_many_people_are_named_in_several_requests() -> None:
    names = [f"person {number}" for number in range(2_500)]

    audiences = audiences_of(names)

    assert [len(audience["users"]) for audience in audiences] == [1_000, 1_000, 500]
    assert [name for audience in audiences for name in audience["users"]] == names


def test_reports_add_up_in_the_state_of_the_one_that_lags() -> None:
    first = a_report(state="finished", counts={"sent": 8, "undeliverable": 2}, reasons={"user_not_found": 2})
    second = a_report(state="sending", counts={"sent": 3, "pending": 7}, reasons={})

    together = add_up({"first": first, "second": second})

    assert together["state"] == "sending"
    assert together["total"] == 20
    assert together["counts"] == {"sent": 11, "undeliverable": 2, "pending": 7}
    assert together["reasons"] == {"user_not_found": 2}
    assert add_up({"first": first})["state"] == "finished"


def a_report(**members: Any) -> dict[str, Any]:
    return {"total": 10, **members}
