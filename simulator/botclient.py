"""Teams' side of the bot's endpoint: posts signed activities, bounded and with retries as the service does."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from simulator.activities import Activity
from simulator.openid import ISSUER
from simulator.world import World

TOKEN_LIFETIME_S = 3600
TOKEN_REUSE_S = 300
ATTEMPTS = 4
TIMEOUT = aiohttp.ClientTimeout(total=15)


@dataclass(frozen=True, slots=True)
class Posted:
    """The bot's answer; status 0 means that there was none. `body` is its JSON, for an invoke."""

    status: int
    body: Any = None

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


@dataclass(slots=True)
class Tally:
    """The answers to many activities."""

    posted: int = 0
    failed: int = 0
    by_status: dict[str, int] = field(default_factory=dict)

    def add(self, answers: Iterable[Posted]) -> "Tally":
        counts = Counter(self.by_status)
        for answer in answers:
            self.posted += 1
            self.failed += not answer.ok
            counts[str(answer.status)] += 1
        self.by_status = dict(counts)
        return self


class BotClient:
    """Posts activities to the bot's endpoint."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._session: aiohttp.ClientSession | None = None
        self._token = ""
        self._token_of: tuple[str, str] = ("", "")
        self._token_at = 0.0

    async def __aenter__(self) -> "BotClient":
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=TIMEOUT, cookie_jar=aiohttp.DummyCookieJar()
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    def claims(self, now: float) -> dict[str, Any]:
        """The claims of the service's token; `now` is Unix time."""
        return {
            "serviceurl": self._world.service_url,
            "iss": ISSUER,
            "aud": self._world.config.app_id,
            "nbf": int(now),
            "exp": int(now) + TOKEN_LIFETIME_S,
        }

    def token(self) -> str:
        """A signed token, the same one for some minutes as from the real service."""
        now = time.time()
        key = self._world.bot_keys.current
        wanted = (key.kid, self._world.service_url)
        if wanted != self._token_of or now - self._token_at > TOKEN_REUSE_S:
            self._token, self._token_of, self._token_at = key.sign(self.claims(now)), wanted, now
        return self._token

    async def post(self, activity: Activity) -> Posted:
        """Post with a genuine token; tries again after a 5xx or a broken connection."""
        posted = Posted(0)
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(0.1 * 2**attempt)
            posted = await self.post_once(activity, f"Bearer {self.token()}")
            if 0 < posted.status < 500:
                break
        return posted

    async def post_once(self, activity: Activity, authorization: str | None) -> Posted:
        """Post as told; `authorization` is the whole header, None leaves it out."""
        endpoint = self._world.bot_endpoint
        if endpoint is None or self._session is None:
            raise RuntimeError("No bot endpoint is set: give `bot_endpoint`, or set it by control.")
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Microsoft-SkypeBotApi (Microsoft-BotFramework/3.0)",
            "x-ms-conversation-id": activity["conversation"]["id"],
            "x-ms-tenant-id": activity["channelData"]["tenant"]["id"],
        }
        if authorization is not None:
            headers["Authorization"] = authorization
        try:
            async with self._session.post(endpoint, data=orjson.dumps(activity), headers=headers) as response:
                return Posted(response.status, _json(await response.read()))
        except (aiohttp.ClientError, TimeoutError):
            return Posted(0)


def _json(raw: bytes) -> Any:
    if not raw:
        return None
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return raw.decode(errors="replace")
