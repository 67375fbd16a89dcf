"""A source of tokens: one token for all callers of a process, fetched once, refreshed before anybody has to wait.

Herald keeps tokens itself, because one that a service refused must be forgotten: MSAL's own cache would go on giving
it. How a token is fetched is the knowledge of `credentials.py`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from shared.errors import TokenRefused, TokenUnavailable

FLIGHT_SECONDS = 30.0
"""Discovery and token request together; a thread that hangs longer is left behind."""
EXPIRY_MARGIN = 60.0
"""A token is never used in its last minute: the call it goes with needs time, and clocks differ."""
FAITH_SECONDS = 60.0
"""A token younger than this is kept when it is refused: then the registration is at fault, not the token,
and a new token for each refused call would only burden the identity provider."""
HOLD_OFF_SECONDS = 5.0
"""After a failure the next call is answered with the same failure for this long, instead of asking again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A bearer token as it was fetched; `lifetime` is in seconds from now."""

    value: str
    lifetime: float


Fetch = Callable[[], Awaitable[Token]]


class TokenSource:
    """Gives one token to many callers: cached, with one fetch at a time, refreshed from half of its lifetime."""

    def __init__(self, fetch: Fetch, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._token: Token | None = None
        self._fetched_at = 0.0
        self._flight: asyncio.Task[Token] | None = None
        self._failure: TokenRefused | TokenUnavailable | None = None
        self._failed_at = 0.0

    async def token(self) -> str:
        """The token to use now. Raises TokenRefused or TokenUnavailable."""
        held = self._token
        age = self._clock() - self._fetched_at
        if held is not None and age < held.lifetime - EXPIRY_MARGIN:
            if age >= held.lifetime / 2 and not self._is_held_off():
                self._start_fetch()
            return held.value
        if self._failure is not None and self._is_held_off():
            raise type(self._failure)(*self._failure.args)
        # One caller that is cancelled must not take the fetch away from the others.
        return (await asyncio.shield(self._start_fetch())).value

    def drop(self, refused: str) -> bool:
        """Forget a token that was refused; whether another one may be accepted where this one was not."""
        if self._token is None or self._token.value != refused:
            return True
        if self._clock() - self._fetched_at < FAITH_SECONDS:
            return False
        self._token = None
        return True

    def forget(self) -> None:
        """Fetch anew for the next caller, however new the token is."""
        self._token = None

    def _is_held_off(self) -> bool:
        return self._failure is not None and self._clock() - self._failed_at < HOLD_OFF_SECONDS

    def _start_fetch(self) -> asyncio.Task[Token]:
        if self._flight is None:
            self._flight = asyncio.create_task(self._refresh())
            self._flight.add_done_callback(self._land)
        return self._flight

    async def _refresh(self) -> Token:
        try:
            async with asyncio.timeout(FLIGHT_SECONDS):
                token = await self._fetch()
        except TimeoutError as error:
            raise TokenUnavailable(f"no token within {FLIGHT_SECONDS:g} s") from error
        self._token, self._fetched_at = token, self._clock()
        return token

    def _land(self, flight: asyncio.Task[Token]) -> None:
        self._flight = None
        # Asking for the error also tells asyncio that it was seen, as nobody awaits a refresh in the background.
        failure = None if flight.cancelled() else flight.exception()
        self._failure = failure if isinstance(failure, TokenRefused | TokenUnavailable) else None
        self._failed_at = self._clock()
