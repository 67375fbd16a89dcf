"""Runs on Azurite, which counts a row as it travels: larger than Azure does."""

from uuid import uuid4

import pytest

from shared.domain.plans import LARGEST_RUN
from shared.storage import names
from shared.storage.broadcasts import Broadcasts
from tests.twins.storage_servers import account_at
from tests.twins.world import object_id

pytestmark = pytest.mark.azurite


async def test_the_largest_run_is_stored_and_read_again(azurite: str) -> None:
    account = account_at(azurite)
    await account.ensure(tables=names.TABLES)
    runs, broadcast = Broadcasts(account.table(names.BROADCASTS)).runs, str(uuid4())
    keys = [f"user!{object_id(number)}" for number in range(LARGEST_RUN)]

    try:
        await runs.save(broadcast, "a", "user", keys)

        assert await runs.read(broadcast, "a") == ("user", keys)
    finally:
        await account.close()
