"""The keys that sign what Teams posts to the bot: fetched without blocking, cached, refreshed at an unknown one.

Source of the rules: https://learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-authentication
The SDK's own key cache is not used: it blocks the event loop without a time-out, and fails on an unknown key id.
"""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import InvalidKeyError
from jwt.algorithms import RSAAlgorithm

from shared.errors import TokenUnavailable

LIFETIME_SECONDS = 24 * 3600.0
"""The page asks for a new look once a day."""
REFRESH_SECONDS = 60.0
"""At most one refresh in this time, so that forged key ids cannot make Herald fetch for each request. A key is
published well before it signs, so a minute loses nothing; after a sudden rollover the SDK's hour would lose all."""
FIRST_SECONDS = 1.0
"""Without any key the door is shut for everybody, so a failed first fetch is repeated sooner."""
TIMEOUT = aiohttp.ClientTimeout(total=5)
ALGORITHM = "RS256"

Fetch = Callable[[str], Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """One published key, and the channels that it may sign for."""

    public_key: RSAPublicKey
    endorsements: frozenset[str]


async def fetch_json(url: str, *, context: ssl.SSLContext | None = None) -> Any:
    """Get a JSON document within five seconds; `context` replaces the machine's own trust."""
    async with (
        aiohttp.ClientSession(timeout=TIMEOUT, cookie_jar=aiohttp.DummyCookieJar()) as session,
        session.get(url, ssl=context or True, allow_redirects=False, raise_for_status=True) as response,
    ):
        return orjson.loads(await response.read())


class SigningKeys:
    """The published keys by their ids."""

    def __init__(
        self, metadata_url: str, *, fetch: Fetch = fetch_json, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._metadata_url = metadata_url
        self._fetch = fetch
        self._clock = clock
        self._lock = asyncio.Lock()
        self._keys: dict[str, SigningKey] = {}
        self._fetched_at = -LIFETIME_SECONDS
        self._tried_at = -LIFETIME_SECONDS

    async def find(self, key_id: str) -> SigningKey | None:
        """The key of this id. Raises TokenUnavailable while no keys are known at all."""
        if key_id not in self._keys or self._clock() - self._fetched_at >= LIFETIME_SECONDS:
            await self._refresh()
        if not self._keys:
            raise TokenUnavailable(f"no signing keys could be fetched from {self._metadata_url}")
        return self._keys.get(key_id)

    async def _refresh(self) -> None:
        """Fetch the keys, unless that was tried a moment ago; a failure leaves the old ones in use."""
        async with self._lock:
            pause = REFRESH_SECONDS if self._keys else FIRST_SECONDS
            if self._clock() - self._tried_at < pause:
                return
            self._tried_at = self._clock()
            try:
                metadata = await self._fetch(self._metadata_url)
                keys = read_keys(metadata, await self._fetch(metadata["jwks_uri"]))
            except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError):
                return
            if keys:
                self._keys, self._fetched_at = keys, self._clock()


def read_keys(metadata: dict[str, Any], jwks: dict[str, Any]) -> dict[str, SigningKey]:
    """Read the published documents (pure); keys that cannot sign with the one accepted algorithm are left out."""
    if ALGORITHM not in metadata.get("id_token_signing_alg_values_supported", [ALGORITHM]):
        return {}
    keys = {}
    for jwk in jwks["keys"]:
        try:
            public_key = RSAAlgorithm.from_jwk(jwk)
        except InvalidKeyError:
            continue
        if isinstance(public_key, RSAPublicKey) and isinstance(jwk.get("kid"), str):
            keys[jwk["kid"]] = SigningKey(public_key=public_key, endorsements=frozenset(jwk.get("endorsements", ())))
    return keys
