"""A Connector in memory: a token bucket, latency, a ledger, and whatever a test wants it to answer."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from urllib.parse import unquote

import orjson

from shared.teams.answers import Answer, Verdict
from shared.teams.protocol import Request

Rule = Callable[[str], Answer | None]
"""Asked with the conversation or member of a call: an answer in place of delivery, or None."""


class MemoryConnector:
    """Delivers into a ledger. `rate` and `depth` are its token bucket's, `latency` is in seconds."""

    def __init__(
        self, *, rate: float | None = 50.0, depth: float = 50.0, latency: float = 0.12, rule: Rule | None = None
    ) -> None:
        self.received: Counter[str] = Counter()
        self.posted_at: list[float] = []
        self.throttled = 0
        self.rule = rule
        self._rate = rate
        self._depth = depth
        self._latency = latency
        self._tokens = depth
        self._filled_at = 0.0
        self._random = random.Random(7)

    async def send(self, request: Request) -> Answer:
        """Take a call like the real Connector, and deliver it unless a rule says otherwise."""
        now = asyncio.get_running_loop().time()
        delay = self._latency * (0.6 + self._random.expovariate(2.5))
        self.posted_at.append(now)
        creates = request.url.endswith("/conversations")
        body = orjson.loads(request.body) if creates else {}
        whom = _whom(request, body)
        answer = self._answer(whom, now)
        delivers = answer.kind in (Verdict.ACCEPTED, Verdict.ANSWER_LOST) and not (creates and "members" in body)
        if delivers:
            self.received[whom] += 1
        await asyncio.sleep(delay)
        return answer

    def _answer(self, whom: str, now: float) -> Answer:
        if self._rate is not None:
            self._tokens = min(self._depth, self._tokens + (now - self._filled_at) * self._rate)
            self._filled_at = now
            if self._tokens < 1:
                self.throttled += 1
                return Answer(kind=Verdict.THROTTLED, code="Throttled", retry_after=1.0)
            self._tokens -= 1
        ruled = self.rule(whom) if self.rule else None
        return ruled or Answer(
            kind=Verdict.ACCEPTED, activity_id=f"m{sum(self.received.values())}", conversation_id=whom
        )


def _whom(request: Request, body: dict[str, object]) -> str:
    """The conversation that is spoken in; a person without one is known by the id it is created with."""
    if not body:
        return unquote(request.url.split("/conversations/")[1].removesuffix("/activities"))
    members = body.get("members")
    if isinstance(members, list):
        return str(members[0]["id"])
    channel_data = body["channelData"]
    assert isinstance(channel_data, dict)
    return str(channel_data["channel"]["id"])
