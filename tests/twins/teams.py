"""A Connector in memory: a token bucket, latency, a ledger, and whatever a test wants it to answer."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote

import orjson

from shared.errors import TokenRefused
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
        self.texts: dict[str, dict[str, str]] = {}
        """What stands in each conversation, by activity."""
        self.heard: dict[str, list[dict[str, Any]]] = {}
        """Every activity that was delivered into a conversation, in order."""
        self.revised: Counter[str] = Counter()
        """How often a message was edited or taken back, by activity."""
        self.revise_rule: Rule | None = None
        """As `rule`, for edits and recalls alone; `rule` is for all other calls."""
        self.posted_at: list[float] = []
        self.throttled = 0
        self.rule = rule
        self.refuses_tokens = False
        self.rosters: dict[str, list[dict[str, Any]]] = {}
        """The members of teams and group chats where the bot is, as the Connector tells of them."""
        self.channels: dict[str, dict[str, str]] = {}
        """The channels of teams where the bot is: ids by name."""
        self.page_size = 500
        self.asked: list[str] = []
        """The conversations about which was asked, each time."""
        self.read_fault: Callable[[int], Answer | None] = lambda _: None
        """Asked with the number of each request that reads, from zero, for what goes wrong with it."""
        self._rate = rate
        self._depth = depth
        self._latency = latency
        self._tokens = depth
        self._filled_at = 0.0
        self._random = random.Random(7)

    async def send(self, request: Request) -> Answer:
        """Take a call like the real Connector, and deliver it unless a rule says otherwise."""
        await self.authorize()
        now = asyncio.get_running_loop().time()
        delay = self._latency * (0.6 + self._random.expovariate(2.5))
        self.posted_at.append(now)
        if request.method == "GET":
            answer = self._throttle(now) or self._read(request)
            await asyncio.sleep(delay)
            return answer
        if request.method != "POST":
            answer = self._revise(request, now)
            await asyncio.sleep(delay)
            return answer
        creates = request.url.endswith("/conversations")
        body = orjson.loads(request.body) if creates else {}
        whom = _whom(request, body)
        answer = self._answer(whom, now)
        delivers = answer.kind in (Verdict.ACCEPTED, Verdict.ANSWER_LOST) and not (creates and "members" in body)
        if delivers:
            activity_id = answer.activity_id or f"m{self.received.total()}"
            said = body["activity"] if creates else orjson.loads(request.body or b"{}")
            self.texts.setdefault(whom, {})[activity_id] = str(said.get("text", ""))
            self.heard.setdefault(whom, []).append(said)
            self.received[whom] += 1
        await asyncio.sleep(delay)
        return answer

    async def authorize(self) -> None:
        """Have a token at hand, unless `refuses_tokens`."""
        if self.refuses_tokens:
            raise TokenRefused("the secret has expired")

    def _read(self, request: Request) -> Answer:
        """Tell who is in a conversation, or which channels a team has; of nothing else anything is known."""
        kind, conversation, _ = map(unquote, request.url.split("/v3/")[1].split("/"))
        fault = self.read_fault(len(self.asked))
        self.asked.append(conversation)
        if fault:
            return fault
        if kind == "teams" and conversation in self.channels:
            named = [{"id": one, "name": name} for name, one in self.channels[conversation].items()]
            return Answer(kind=Verdict.ACCEPTED, found={"conversations": [{"id": conversation, "name": None}, *named]})
        if kind == "conversations" and conversation in self.rosters:
            members = self.rosters[conversation]
            options = parse_qs(request.query)
            assert int(options["pageSize"][0]) == 500
            start = int(options.get("continuationToken", ["0"])[0].removeprefix("page & "))
            end = start + self.page_size
            further = {"continuationToken": f"page & {end}"} if end < len(members) else {}
            return Answer(kind=Verdict.ACCEPTED, found={"members": members[start:end], **further})
        return Answer(kind=Verdict.NOT_INSTALLED, code="BotNotInConversationRoster")

    def _revise(self, request: Request, now: float) -> Answer:
        """Edit or take back what stands; a lost answer has done so."""
        conversation, activity_id = map(unquote, request.url.split("/conversations/")[1].split("/activities/"))
        throttled = self._throttle(now)
        if throttled:
            return throttled
        ruled = self.revise_rule(conversation) if self.revise_rule else None
        if ruled and ruled.kind is not Verdict.ANSWER_LOST:
            return ruled
        said = self.texts.get(conversation, {})
        if activity_id not in said:
            return Answer(kind=Verdict.REJECTED, code="ActivityNotFoundInConversation")
        self.revised[activity_id] += 1
        if request.method == "DELETE":
            del said[activity_id]
        else:
            said[activity_id] = str(orjson.loads(request.body)["text"])
        return ruled or Answer(kind=Verdict.ACCEPTED)

    def _throttle(self, now: float) -> Answer | None:
        """Take a token; the answer where there is none."""
        if self._rate is not None:
            self._tokens = min(self._depth, self._tokens + (now - self._filled_at) * self._rate)
            self._filled_at = now
            if self._tokens < 1:
                self.throttled += 1
                return Answer(kind=Verdict.THROTTLED, code="Throttled", retry_after=1.0)
            self._tokens -= 1
        return None

    def _answer(self, whom: str, now: float) -> Answer:
        throttled = self._throttle(now)
        if throttled:
            return throttled
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
