"""One token for many callers: when it is fetched, kept, refreshed ahead, dropped, and what its failures look like."""

import asyncio
from dataclasses import dataclass, field

import pytest

from shared.errors import TokenRefused, TokenUnavailable
from shared.tokens.credentials import read_msal
from shared.tokens.source import Token, TokenSource


@dataclass
class Provider:
    """An identity provider and a clock: it counts its tokens, and waits or fails as told."""

    now: float = 1000.0
    issued: int = 0
    asked: int = 0
    failure: Exception | None = None
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def fetch(self) -> Token:
        self.asked += 1
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        self.issued += 1
        return Token(value=f"token {self.issued}", lifetime=3600.0)

    def source(self) -> TokenSource:
        return TokenSource(self.fetch, clock=lambda: self.now)


async def rest() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_many_callers_share_one_fetch() -> None:
    provider = Provider()
    source = provider.source()

    tokens = await asyncio.gather(*(source.token() for _ in range(20)))

    assert set(tokens) == {"token 1"}
    assert provider.asked == 1


async def test_cancelled_caller_does_not_take_the_fetch_from_the_others() -> None:
    provider = Provider()
    provider.gate.clear()
    source = provider.source()
    first, second = asyncio.create_task(source.token()), asyncio.create_task(source.token())
    await rest()

    first.cancel()
    provider.gate.set()

    assert await second == "token 1"
    assert provider.asked == 1


async def test_token_is_used_without_asking_in_the_first_half_of_its_life() -> None:
    provider = Provider()
    source = provider.source()
    await source.token()
    provider.now += 1799

    assert await source.token() == "token 1"
    await rest()
    assert provider.asked == 1


async def test_token_is_refreshed_in_the_background_from_half_of_its_life() -> None:
    provider = Provider()
    source = provider.source()
    await source.token()
    provider.now += 1800
    provider.gate.clear()

    # Nobody waits: the old token is given while the new one is under way.
    assert [await source.token(), await source.token()] == ["token 1", "token 1"]
    provider.gate.set()
    await rest()
    assert await source.token() == "token 2"
    assert provider.asked == 2


async def test_failing_refresh_leaves_the_old_token_in_use_and_is_repeated_later() -> None:
    provider = Provider()
    source = provider.source()
    await source.token()
    provider.now += 1800
    provider.failure = TokenUnavailable("down")

    for _ in range(5):
        assert await source.token() == "token 1"
        await rest()
    asked_during_the_hold_off = provider.asked
    provider.now += 5
    provider.failure = None
    await source.token()
    await rest()

    assert asked_during_the_hold_off == 2
    assert await source.token() == "token 2"


async def test_token_is_never_used_in_its_last_minute() -> None:
    provider = Provider()
    source = provider.source()
    await source.token()
    provider.now += 3540

    assert await source.token() == "token 2"


async def test_failure_is_not_asked_for_again_at_once() -> None:
    provider = Provider(failure=TokenRefused("invalid_client"))
    source = provider.source()

    for _ in range(3):
        with pytest.raises(TokenRefused, match="invalid_client"):
            await source.token()
    provider.now += 5
    provider.failure = None

    assert await source.token() == "token 1"
    assert provider.asked == 2


async def test_provider_that_hangs_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.tokens.source.FLIGHT_SECONDS", 0.0)
    provider = Provider()
    provider.gate.clear()

    with pytest.raises(TokenUnavailable):
        await provider.source().token()


async def test_refused_token_older_than_a_minute_is_fetched_anew() -> None:
    provider = Provider()
    source = provider.source()
    token = await source.token()
    provider.now += 61

    assert source.drop(token)
    assert await source.token() == "token 2"
    # Others whose calls carried the old token may try again as well, with the new one.
    assert source.drop(token)
    assert await source.token() == "token 2"


async def test_refused_fresh_token_is_kept_because_another_would_be_refused_too() -> None:
    provider = Provider()
    source = provider.source()
    token = await source.token()
    provider.now += 59

    assert not source.drop(token)
    assert await source.token() == token
    assert provider.asked == 1


MSAL_ERRORS = [
    # The secret is wrong or has expired.
    ("invalid_client", TokenRefused),
    # The app is not known in the tenant.
    ("unauthorized_client", TokenRefused),
    # The tenant does not exist.
    ("invalid_tenant", TokenRefused),
    # The scope is not one of the cloud.
    ("invalid_scope", TokenRefused),
    # The provider is busy.
    ("temporarily_unavailable", TokenUnavailable),
    # The provider failed.
    ("server_error", TokenUnavailable),
]


@pytest.mark.parametrize(("error", "kind"), MSAL_ERRORS)
def test_oauth_errors_are_final_or_transient(error: str, kind: type[Exception]) -> None:
    description = "AADSTS7000215: Invalid client secret provided. Trace ID: 1 Correlation ID: 2"

    with pytest.raises(kind, match=f"^{error}: AADSTS7000215: Invalid client secret provided.$"):
        read_msal({"error": error, "error_description": description})


def test_msal_answer_gives_the_token_with_its_lifetime() -> None:
    assert read_msal({"access_token": "t", "expires_in": 3599}) == Token(value="t", lifetime=3599.0)


async def test_a_forgotten_token_is_fetched_anew_however_young_it_is() -> None:
    provider = Provider()
    source = provider.source()
    await source.token()

    source.forget()

    assert await source.token() == "token 2"
