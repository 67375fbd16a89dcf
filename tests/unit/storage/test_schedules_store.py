"""The table Schedules in memory."""

import pytest

from tests.twins.accepting import NOON
from tests.twins.scheduling import SchedulesContract
from tests.twins.storage import MemoryTable


class TestSchedulesInMemory(SchedulesContract):
    @pytest.fixture
    def table(self) -> MemoryTable:
        return MemoryTable(lambda: NOON)
