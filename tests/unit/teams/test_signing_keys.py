"""The published keys: when they are fetched, and that neither forgers nor outages shut the door."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from shared.errors import TokenUnavailable
from shared.teams.keys import SigningKeys, read_keys
from simulator.signing import Key

METADATA = {"jwks_uri": "https://login.example/keys", "id_token_signing_alg_values_supported": ["RS256"]}
OLD, NEW = Key.make(("msteams",)), Key.make(("msteams",))


@dataclass
class Publisher:
    """The two published documents and a clock; it counts how often the keys were asked for."""

    keys: list[Key] = field(default_factory=lambda: [OLD])
    now: float = 0.0
    asked: int = 0
    down: bool = False

    async def fetch(self, url: str) -> Any:
        await asyncio.sleep(0)
        if url != METADATA["jwks_uri"]:
            self.asked += 1
        if self.down:
            raise aiohttp.ClientConnectionError
        return METADATA if url != METADATA["jwks_uri"] else {"keys": [key.as_jwk() for key in self.keys]}

    def signing_keys(self) -> SigningKeys:
        return SigningKeys("https://login.example/metadata", fetch=self.fetch, clock=lambda: self.now)


async def test_keys_are_fetched_once_for_many_callers_and_a_day() -> None:
    publisher = Publisher()
    keys = publisher.signing_keys()

    found = await asyncio.gather(*(keys.find(OLD.kid) for _ in range(20)))
    publisher.now += 24 * 3600 - 1
    await keys.find(OLD.kid)

    assert all(key is not None and key.endorsements == {"msteams"} for key in found)
    assert publisher.asked == 1


async def test_keys_are_looked_at_again_after_a_day() -> None:
    publisher = Publisher()
    keys = publisher.signing_keys()
    await keys.find(OLD.kid)
    publisher.keys = [NEW]
    publisher.now += 24 * 3600

    assert await keys.find(OLD.kid) is None
    assert await keys.find(NEW.kid) is not None


async def test_unknown_key_makes_one_refresh_a_minute_however_many_are_forged() -> None:
    publisher = Publisher()
    keys = publisher.signing_keys()
    await keys.find(OLD.kid)
    publisher.now += 60

    assert await asyncio.gather(*(keys.find(f"forged {number}") for number in range(50))) == [None] * 50
    assert publisher.asked == 2


async def test_rollover_is_noticed_within_a_minute() -> None:
    publisher = Publisher()
    keys = publisher.signing_keys()
    await keys.find(OLD.kid)
    publisher.keys = [OLD, NEW]

    at_once = await keys.find(NEW.kid)
    publisher.now += 60

    assert at_once is None
    assert await keys.find(NEW.kid) is not None


async def test_old_keys_go_on_working_when_a_refresh_fails() -> None:
    publisher = Publisher()
    keys = publisher.signing_keys()
    await keys.find(OLD.kid)
    publisher.now += 48 * 3600
    publisher.down = True

    assert await keys.find(OLD.kid) is not None


async def test_refresh_without_any_key_leaves_the_old_ones() -> None:
    publisher = Publisher()
    keys = publisher.signing_keys()
    await keys.find(OLD.kid)
    publisher.now += 48 * 3600
    publisher.keys = []

    assert await keys.find(OLD.kid) is not None


async def test_first_fetch_that_fails_is_repeated_after_a_second() -> None:
    publisher = Publisher(down=True)
    keys = publisher.signing_keys()

    for _ in range(3):
        with pytest.raises(TokenUnavailable):
            await keys.find(OLD.kid)
    publisher.now += 1
    publisher.down = False

    assert await keys.find(OLD.kid) is not None
    assert publisher.asked == 2


def test_keys_that_cannot_sign_are_left_out() -> None:
    broken: list[dict[str, Any]] = [
        {"kty": "EC", "kid": "ec", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "RSA", "kid": "no numbers"},
        {name: value for name, value in NEW.as_jwk().items() if name != "kid"},
    ]

    assert read_keys(METADATA, {"keys": [*broken, OLD.as_jwk()]}).keys() == {OLD.kid}


def test_metadata_that_lists_another_algorithm_gives_no_keys() -> None:
    metadata = METADATA | {"id_token_signing_alg_values_supported": ["ES256"]}

    assert read_keys(metadata, {"keys": [OLD.as_jwk()]}) == {}
