"""Old items: each digest is looked through once a day, and a run that breaks off is gone on with."""

import pytest

from send_worker.old_items import OldItems
from shared.errors import StorageUnavailable
from shared.storage import names
from shared.storage.digest_items import SEEN_SECONDS
from tests.twins.accepting import TENANT, House
from tests.twins.digest_items import DAILY, a_new_item, an_item
from tests.twins.storage import Moment, fail_once, yielding

DAY = 86_400.0


def old_items(house: House) -> OldItems:
    return OldItems(house.digest_items, clock=house.account.clock, tenants=[TENANT])


def keys_of(house: House, digest: str = DAILY) -> list[str]:
    return list(house.account.table(names.DIGESTS).rows(f"{TENANT}!{digest}"))


async def a_digest(house: House, name: str = DAILY, *, items: int = 3) -> None:
    """A digest with items that expire in an hour."""
    for number in range(items):
        item = an_item(expires_at=house.now + 3_600)
        await house.digest_items.put(a_new_item(f"{name}{number}", digest=name, item=item))


async def test_what_has_expired_goes_within_a_day_and_the_rest_a_week_later() -> None:
    house = House()
    await a_digest(house)
    await a_digest(house, "weekly")
    await old_items(house).run()
    assert len(keys_of(house)) == len(keys_of(house, "weekly")) == 6

    house.now += DAY
    await old_items(house).run()
    assert all(key.startswith("seen!") for key in keys_of(house))
    assert len(keys_of(house)) == len(keys_of(house, "weekly")) == 3

    house.now += SEEN_SECONDS
    await old_items(house).run()
    assert keys_of(house) == keys_of(house, "weekly") == []


async def test_a_digest_is_looked_through_once_a_day() -> None:
    house = House()
    await a_digest(house)
    await old_items(house).run()
    scanned = list[str]()

    async def hook(call: object) -> None:
        if getattr(call, "verb", "") == "scan":
            scanned.append(getattr(call, "partition", ""))

    house.account.use_hook(hook)
    for _ in range(3):
        house.now += 600
        await old_items(house).run()
    assert set(scanned) == {TENANT}

    house.now += DAY
    await old_items(house).run()
    assert f"{TENANT}!{DAILY}" in scanned


async def test_a_run_ends_after_its_time_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    await a_digest(house, items=30)
    house.now += DAY
    monkeypatch.setattr("shared.storage.digest_items.PAGE_ROWS", 10)
    left = [len(keys_of(house))]
    while left[-1] > 30:
        times = iter((0.0, 0.0, 61.0))
        monkeypatch.setattr("send_worker.old_items.monotonic", lambda times=times: next(times))
        await old_items(house).run()
        house.now += 600
        left.append(len(keys_of(house)))

    assert left == [60, 50, 40, 30]


@pytest.mark.parametrize("moment", Moment)
@pytest.mark.parametrize("verb", ["scan", "write"])
async def test_failing_storage_ends_a_run_and_the_next_does_the_rest(moment: Moment, verb: str) -> None:
    house = House()
    await a_digest(house)
    house.now += DAY
    house.account.use_hook(fail_once(StorageUnavailable("gone"), moment=moment, verb=verb))

    await old_items(house).run()
    house.account.use_hook(yielding)
    await old_items(house).run()

    assert len(keys_of(house)) == 3
