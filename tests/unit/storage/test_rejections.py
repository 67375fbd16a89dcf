"""Rejections: kept as they came, once for each message, listed over several partitions as one list."""

from dataclasses import replace

from shared.errors import Fault
from shared.storage.rejections import MOST_BODY_BYTES, UNKNOWN_TENANT, Rejection, Rejections, RejectionSource
from tests.twins.accepting import TENANT
from tests.twins.storage import MemoryTable


def a_rejection(number: int = 1, *, tenant: str = TENANT, body: bytes = b"{", faults: int = 1) -> Rejection:
    return Rejection(
        tenant=tenant,
        at=1000.0 + number,
        source=RejectionSource.QUEUE,
        faults=tuple(Fault(pointer=f"/audience/users/{n}", detail="not an id") for n in range(faults)),
        body=body,
        body_bytes=len(body),
        message_id=f"message {number}",
        key="news",
    )


async def test_rejection_is_read_as_it_was_recorded() -> None:
    rejections = Rejections(MemoryTable(lambda: 0.0))
    rejection = a_rejection(body=bytes(range(256)) * 300)

    await rejections.record(rejection)

    assert (await rejections.page([TENANT], limit=10)).rejections == (rejection,)


async def test_message_that_comes_again_is_recorded_once() -> None:
    rejections = Rejections(MemoryTable(lambda: 0.0))
    first = a_rejection()
    await rejections.record(first)

    await rejections.record(replace(first, at=5000.0))

    assert (await rejections.page([TENANT], limit=10)).rejections == (first,)


async def test_messages_with_one_forged_id_are_all_recorded() -> None:
    rejections = Rejections(MemoryTable(lambda: 0.0))
    await rejections.record(a_rejection(body=b'{"id": 1, "version": 2}'))
    await rejections.record(a_rejection(body=b'{"id": 1, "version": 3}'))

    assert len((await rejections.page([TENANT], limit=10)).rejections) == 2


async def test_body_and_faults_beyond_a_row_are_cut() -> None:
    rejections = Rejections(MemoryTable(lambda: 0.0))
    await rejections.record(a_rejection(body=b"x" * 2_000_000, faults=20_000))

    (kept,) = (await rejections.page([TENANT], limit=10)).rejections

    assert len(kept.body) == MOST_BODY_BYTES
    assert kept.body_bytes == 2_000_000
    assert 0 < len(kept.faults) <= 1_000


async def test_partitions_are_listed_as_one_newest_first() -> None:
    rejections = Rejections(MemoryTable(lambda: 0.0))
    for number in range(9):
        await rejections.record(a_rejection(number, tenant=TENANT if number % 3 else UNKNOWN_TENANT))

    listed, after = list[str](), ""
    while True:
        page = await rejections.page([TENANT, UNKNOWN_TENANT], after=after, limit=2)
        listed += [one.message_id for one in page.rejections]
        after = page.next
        if not after:
            break

    assert listed == [f"message {number}" for number in reversed(range(9))]
