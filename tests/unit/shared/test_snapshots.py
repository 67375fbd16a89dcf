"""Saved audiences in a broadcast: read once, when the request is accepted, with every fault by its pointer."""

from typing import Any

import pytest

from shared.domain.audience import Audience, unpack_audience
from shared.errors import InvalidRequest, StorageUnavailable
from shared.storage import names
from shared.storage.audiences import SavedAudience
from tests.twins.accepting import ALICE, CHANNEL, NOON, TENANT, House, a_request, user
from tests.twins.storage import Call, yielding

GROUP = "02bd9fd6-8f93-4758-87c3-1fb73740a315"


async def save(house: House, name: str, **document: Any) -> None:
    """Save an audience, whatever has the name."""
    await house.audiences.put(TENANT, SavedAudience(name=name, document=document, changed_at=NOON))


async def faults_of(house: House, **audience: Any) -> dict[str, str]:
    """What is wrong with a request for this audience."""
    with pytest.raises(InvalidRequest) as caught:
        await house.acceptance.accept(a_request(audience=audience))
    return {fault.pointer: fault.detail for fault in caught.value.faults}


async def accepted_audience(house: House, **audience: Any) -> Audience:
    """The audience that is kept with the broadcast of a request."""
    accepted = await house.acceptance.accept(a_request(audience=audience))
    return unpack_audience(await house.broadcasts.audience(accepted.broadcast_id))


async def test_saved_audiences_combine_with_all_other_kinds() -> None:
    house = House()
    await save(house, "sales", users=[user(1)], teams=[CHANNEL], groups=[GROUP])
    await save(house, "managers", users=[user(1), user(2)], everyone="installed")
    await save(house, "night-shift", users=[user(3)])

    found = await accepted_audience(
        house, users=[ALICE], saved=["sales", "managers"], **{"except": {"saved": ["night-shift"]}}
    )

    assert found == Audience(
        users=(f"user!{user(1)}", f"user!{user(2)}", f"user!{ALICE}"),
        conversations=(f"channel!{CHANNEL}",),
        everyone_installed=True,
        groups=(GROUP,),
        except_people=(f"user!{user(3)}",),
    )


async def test_whom_a_saved_audience_leaves_out_is_left_out_of_the_whole() -> None:
    house = House()
    await save(house, "sales", groups=[GROUP], **{"except": {"users": [ALICE]}})

    found = await accepted_audience(house, users=[ALICE, user(1)], saved=["sales"])

    assert found.except_people == (f"user!{ALICE}",)


async def test_a_few_people_of_a_saved_audience_need_no_planner() -> None:
    house = House()
    await save(house, "sales", users=[user(1), user(2)])

    accepted = await house.acceptance.accept(a_request(audience={"saved": ["sales"]}))

    assert "batch!00000000" in house.rows(accepted.broadcast_id)
    assert len(house.sends.take()) == 1


async def test_every_unknown_name_is_a_fault_at_its_place_and_leaves_no_trace() -> None:
    house = House()
    await save(house, "sales", users=[user(1)])

    faults = await faults_of(house, users=[ALICE], saved=["sales", "sails"], **{"except": {"saved": ["managers"]}})

    assert list(faults) == ["/audience/saved/1", "/audience/except/saved/0"]
    assert "PUT /api/audiences/sails saves one" in faults["/audience/saved/1"]
    assert not await house.listed()
    assert not await house.open()


async def test_an_audience_of_another_tenant_is_unknown() -> None:
    house = House()
    await house.audiences.put("other", SavedAudience(name="sales", document={"users": [ALICE]}, changed_at=NOON))

    assert list(await faults_of(house, saved=["sales"])) == ["/audience/saved/0"]


@pytest.mark.parametrize("document", [{"teams": [CHANNEL]}, {"everyone": "installed"}, {"everyone": "tenant"}])
async def test_conversations_and_everyone_cannot_be_left_out(document: dict[str, Any]) -> None:
    house = House()
    await save(house, "town-hall", users=[user(1)], **document)

    faults = await faults_of(house, users=[ALICE], **{"except": {"saved": ["town-hall"]}})

    assert list(faults) == ["/audience/except/saved/0"]
    assert "people, groups and rosters alone" in faults["/audience/except/saved/0"]


async def test_all_ids_together_have_a_bound() -> None:
    house = House()
    for number in range(6):
        await save(house, f"part-{number}", users=[user(number * 1_000 + place) for place in range(1_000)])
    five = [f"part-{number}" for number in range(5)]

    faults = await faults_of(house, users=[ALICE], saved=five)

    assert "this has 5,001 ids, 5,000 are allowed" in faults["/audience"]
    # Who is named twice counts once.
    assert len((await accepted_audience(house, users=[user(7)], saved=five)).users) == 5_000


async def test_very_long_ids_together_have_a_bound_in_bytes() -> None:
    house = House()
    for number in range(2):
        await save(house, f"part-{number}", channels=[f"19:{number}{place:0>395}" for place in range(1_000)])

    faults = await faults_of(house, saved=["part-0", "part-1"])

    assert "bytes, 655,360 are allowed" in faults["/audience"]


async def test_very_long_names_of_a_request_have_the_same_bound_and_leave_no_trace() -> None:
    house = House()
    channels = [{"team": CHANNEL, "channel": f"{number:04}{'ü' * 196}"} for number in range(1_000)]

    faults = await faults_of(house, channels=channels)

    assert "bytes, 655,360 are allowed" in faults["/audience"]
    assert not await house.listed()


async def test_a_general_channel_by_its_name_is_no_chat_besides() -> None:
    house = House()

    faults = await faults_of(house, channels=[{"team": CHANNEL, "channel": "General"}], chats=[CHANNEL])

    assert CHANNEL in faults["/audience"]


async def test_a_conversation_that_two_audiences_name_in_two_ways_is_a_fault() -> None:
    house = House()
    await save(house, "channels", channels=[CHANNEL])
    await save(house, "chats", chats=[CHANNEL])

    faults = await faults_of(house, saved=["channels", "chats"])

    assert CHANNEL in faults["/audience"]


@pytest.mark.parametrize("change", ["edited", "removed"])
async def test_the_same_request_is_the_same_broadcast_whatever_became_of_its_saved_audience(change: str) -> None:
    house = House()
    await save(house, "sales", users=[user(1)])
    request = a_request(audience={"saved": ["sales"]})
    first = await house.acceptance.accept(request)
    if change == "edited":
        await save(house, "sales", users=[user(2)])
    else:
        await house.audiences.remove(TENANT, "sales")

    again = await house.acceptance.accept(request)

    assert (again.broadcast_id, again.created) == (first.broadcast_id, False)
    kept = unpack_audience(await house.broadcasts.audience(first.broadcast_id))
    assert kept.users == (f"user!{user(1)}",)


async def test_an_acceptance_that_broke_off_finishes_under_its_id_with_the_audience_of_that_moment() -> None:
    house = House()
    await save(house, "sales", users=[user(1)])
    request = a_request(audience={"saved": ["sales"]})

    async def no_broadcast(call: Call) -> None:
        """Let the key be written, and nothing of the broadcast itself."""
        if call.store == names.BROADCASTS and call.verb == "write":
            raise StorageUnavailable("gone")

    house.account.use_hook(no_broadcast)
    with pytest.raises(StorageUnavailable):
        await house.acceptance.accept(request)
    house.account.use_hook(yielding)
    (begun,) = await house.listed()
    assert not house.heads
    await save(house, "sales", users=[user(2)])

    accepted = await house.acceptance.accept(request)

    assert accepted.broadcast_id == begun
    kept = unpack_audience(await house.broadcasts.audience(begun))
    assert kept.users == (f"user!{user(2)}",)


async def test_a_request_of_the_queue_with_an_unknown_name_is_a_rejection() -> None:
    house = House()
    body = b'{"version": 1, "audience": {"saved": ["sails"]}, "content": {"text": "Hello"}}'

    await house.requests.receive(body, message_id="m1")

    (rejection,) = (await house.rejections.page([TENANT], limit=10)).rejections
    assert [fault.pointer for fault in rejection.faults] == ["/audience/saved/0"]
