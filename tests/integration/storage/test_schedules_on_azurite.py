"""The table Schedules on the emulator."""

from collections.abc import AsyncIterator

import pytest

from shared.ports import Table
from tests.twins.scheduling import SchedulesContract
from tests.twins.storage_servers import account_at

pytestmark = pytest.mark.azurite


class TestSchedulesOnAzurite(SchedulesContract):
    @pytest.fixture
    async def table(self, azurite: str) -> AsyncIterator[Table]:
        account = account_at(azurite)
        await account.ensure(tables=["SchedulesContract"])
        yield account.table("SchedulesContract")
        await account.close()
