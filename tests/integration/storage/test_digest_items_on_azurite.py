"""The table Digests on the emulator."""

from collections.abc import AsyncIterator

import pytest

from shared.ports import Table
from tests.twins.digest_items import DigestItemsContract
from tests.twins.storage_servers import account_at

pytestmark = pytest.mark.azurite


class TestDigestItemsOnAzurite(DigestItemsContract):
    @pytest.fixture
    async def table(self, azurite: str) -> AsyncIterator[Table]:
        account = account_at(azurite)
        await account.ensure(tables=["DigestItemsContract"])
        yield account.table("DigestItemsContract")
        await account.close()
