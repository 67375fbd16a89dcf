"""The register of a plan: how many deliveries each person has, in a byte each, however many there are."""

from dataclasses import dataclass, field

from shared.domain.batches import Batch
from shared.storage.broadcasts import Broadcasts
from tests.size.people import key_of, number_of

PAGE_BATCHES = 100


@dataclass(slots=True)
class Register:
    """The deliveries of the people from 0 to `people` - 1, and what is wrong with the rows themselves."""

    people: int
    rows: int = 0
    faults: list[str] = field(default_factory=list)
    _deliveries: bytearray = field(init=False)

    def __post_init__(self) -> None:
        self._deliveries = bytearray(self.people)

    @property
    def lost(self) -> int:
        """People without a delivery."""
        return self._deliveries.count(0)

    @property
    def doubled(self) -> int:
        """People with more than one delivery."""
        return self.people - self.lost - self._deliveries.count(1)

    @property
    def is_exact(self) -> bool:
        """Whether each person has one delivery, and nothing else is there."""
        return not (self.lost or self.doubled or self.faults)

    async def read(self, store: Broadcasts, broadcast: str) -> None:
        """Enter all batch rows of a broadcast, a page at a time, and compare the cursor with them."""
        while batches := await store.batches(broadcast, first=self.rows, limit=PAGE_BATCHES):
            for batch in batches:
                self._enter(batch)
        cursor = (await store.cursor(broadcast)).cursor
        if not cursor.is_finished or (cursor.recipients, cursor.batches) != (self.people, self.rows):
            self.faults.append(f"{self.people} people in {self.rows} batches do not fit {cursor}")

    def _enter(self, batch: Batch) -> None:
        if batch.number != self.rows:
            self.faults.append(f"batch {self.rows} was to come, not {batch.number}")
        self.rows = batch.number + 1
        for recipient in batch.recipients:
            number = number_of(recipient.key)
            if number >= self.people or recipient.key != key_of(number):
                self.faults.append(f"nobody is called {recipient.key}")
                continue
            self._deliveries[number] = min(255, self._deliveries[number] + 1)
