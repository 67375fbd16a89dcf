"""The Connector of a storm: a token bucket, every answer that Teams has, and a ledger of what arrived."""

import asyncio
import random
import re
from collections.abc import Callable
from urllib.parse import unquote

import orjson

from shared.domain.recipients import RecipientKind, recipient_key
from shared.errors import TokenRefused
from shared.teams.answers import Answer, Verdict
from shared.teams.protocol import Request
from tests.simulation.drops import words_of
from tests.simulation.processes import Process
from tests.simulation.promises import Promises
from tests.simulation.storm import PASSING, REFUSALS, Storm
from tests.simulation.trace import Trace
from tests.twins.world import object_id

TIMEOUT = 10.0
"""Seconds after which the client gives up, as `shared/teams/client.py` does."""
SLOWEST = 20.0
CHAT_WITH_BOT = re.compile(r"19:([0-9a-f-]{36})_bot@unq\.gbl\.spaces")
"""What Graph calls a person's chat with the bot."""
DELIVERS_PERHAPS = frozenset({Verdict.FAILED_MAYBE, Verdict.SERVICE_ERROR})
GONE = Answer(kind=Verdict.CONVERSATION_GONE, code="ConversationNotFound")
"""The answer to a message for a chat that its person has deleted."""
BELIEVED_SHARE = 49.75 / 50.0


class StormConnector:
    """Takes calls of all processes. A delivery takes effect when the call is made, whatever its answer."""

    def __init__(
        self,
        storm: Storm,
        *,
        dice: random.Random,
        trace: Trace,
        promises: Promises,
        running: Callable[[], Process],
        on_call: Callable[[str], None],
    ) -> None:
        self._storm = storm
        self._dice = dice
        self._trace = trace
        self._promises = promises
        self._running = running
        self._on_call = on_call
        believed = None if storm.pace is None else storm.pace / BELIEVED_SHARE
        self._rate = believed
        self._depth = 0.0 if believed is None else max(10.0, believed) if storm.real_rate == 1 else 3.0
        self._tokens = self._depth
        self._filled_at = 0.0
        self.refused_by_bucket = 0
        self.activities = 0
        self.lost: set[str] = set()
        """Recipients of whom Herald was told that they cannot be reached: it may take them for not installed."""

    async def authorize(self) -> None:
        """Have a token at hand. Raises TokenRefused while the identity provider refuses the app."""
        process = self._running()
        now = asyncio.get_running_loop().time()
        if now < self._storm.until and any(window.covers(now) for window in self._storm.token_windows):
            self._trace.fault(now, process.life.name, "token_refused")
            raise TokenRefused("the simulated provider refuses")

    async def send(self, request: Request) -> Answer:
        """Take a call, deliver or not, and answer in time, late or never."""
        process = self._running()
        now = asyncio.get_running_loop().time()
        self._on_call("connector")
        await self.authorize()
        body = orjson.loads(request.body) if request.body else {}
        if request.method != "POST":
            return await self._revise(process, request, str(body.get("text", "")), now)
        if "members" in body:
            return await self._create(process, str(body["members"][0]["id"]), now)
        text = words_of(body.get("activity", body))
        return await self._deliver(process, text, _recipient(request, body), now, gone=self._gone(request, now))

    async def _create(self, process: Process, member: str, now: float) -> Answer:
        answer, lost = self._draw(process, now)
        self._trace.note(now, process.life.name, "create", f"{member[-4:]} {answer.kind.name}")
        if answer.kind is not Verdict.ACCEPTED:
            recipient = recipient_key(RecipientKind.USER, object_id(_number(member)))
            self.lost.add(recipient)
            self._promises.not_opened.add(recipient)
        await self._wait(process)
        if answer.kind is Verdict.ACCEPTED:
            answer = Answer(kind=Verdict.ACCEPTED, conversation_id=self.chat_of(_number(member)))
        return Answer(kind=Verdict.ANSWER_LOST) if lost else answer

    async def _revise(self, process: Process, request: Request, text: str, now: float) -> Answer:
        """Put other words in the place of a message, or take it back (no text)."""
        activity = request.url.rpartition("/")[2]
        answer, lost = self._draw(process, now)
        if self._gone(request, now) and answer.kind is Verdict.ACCEPTED:
            answer = GONE
        self._trace.note(now, process.life.name, "revise", f"{activity} {text!r} {answer.kind.name} lost={lost}")
        if answer.kind is Verdict.ACCEPTED:
            self._promises.revised(activity, text)
        await self._wait(process)
        return Answer(kind=Verdict.ANSWER_LOST) if lost else answer

    async def _deliver(self, process: Process, text: str, recipient: str, now: float, *, gone: str) -> Answer:
        """Deliver or not; `gone` is the name of the chat where its person has deleted it."""
        key = text.partition(" ")[0]
        answer, lost = self._draw(process, now)
        if gone and answer.kind is Verdict.ACCEPTED:
            self._trace.fault(now, process.life.name, "chat_deleted", f"{key} {recipient[-4:]}")
            answer = GONE
        perhaps = not gone and answer.kind in DELIVERS_PERHAPS and self._dice.random() < 0.5
        delivered = answer.kind is Verdict.ACCEPTED or perhaps
        if answer.kind in REFUSALS and answer is not GONE:
            self.lost.add(recipient)
        waits = self._draw_wait(process)
        lost = lost or waits > TIMEOUT
        self._trace.note(now, process.life.name, "post", f"{key} {recipient[-4:]} {answer.kind.name} lost={lost}")
        self.activities += 1
        activity = f"m{self.activities}"
        if answer is GONE and not lost:
            self._promises.installs.met_deleted(key, recipient, gone)
        elif answer is not GONE:
            self._promises.answered(key, recipient, answer.kind)
        self._promises.posted(process, key, recipient, delivered=delivered, uncertain=lost or perhaps)
        if delivered:
            self._promises.shows(key, recipient, activity, text)
        self._on_call("connector")
        await asyncio.sleep(min(waits, TIMEOUT))
        self._on_call("connector")
        if lost:
            return Answer(kind=Verdict.ANSWER_LOST, code="ServerTimeoutError")
        if answer.kind is not Verdict.ACCEPTED:
            return answer
        return Answer(kind=Verdict.ACCEPTED, activity_id=activity, conversation_id=recipient)

    def chat_of(self, number: int) -> str:
        """The chat of bot and person as it is now."""
        return f"a:{number}.{self._deleted(number, asyncio.get_running_loop().time())}".removesuffix(".0")

    def _deleted(self, number: int, now: float) -> int:
        """How often the person with this number has deleted their chat."""
        return sum(number == who and at <= now for at, who in self._storm.deletions)

    def _gone(self, request: Request, now: float) -> str:
        """The name of the chat that a request is about, where its person has deleted it."""
        chat = _chat_of(request)
        return _conversation_of(request) if chat is not None and chat[1] < self._deleted(chat[0], now) else ""

    def _draw(self, process: Process, now: float) -> tuple[Answer, bool]:  # noqa: PLR0911 - one for each fault
        """What it answers, and whether that is lost on its way."""
        if not self._has_token(now):
            self.refused_by_bucket += 1
            if now < self._storm.until and self._storm.real_rate < 1:
                self._trace.fault(now, process.life.name, "real_rate_lower")
            return Answer(kind=Verdict.THROTTLED, retry_after=1.0), False
        if now >= self._storm.until:
            return Answer(kind=Verdict.ACCEPTED), False
        storm, draw = self._storm, self._dice.random
        for burst in storm.bursts:
            if burst.covers(now):
                return self._wrong(process, Verdict.THROTTLED, "burst", retry_after=burst.retry_after or None), False
        if storm.lone_throttled and draw() < storm.lone_throttled:
            after = self._dice.choice([None, 3.0, 30.0, 120.0])
            return self._wrong(process, Verdict.THROTTLED, "lone_throttled", retry_after=after), False
        if storm.refused and draw() < storm.refused:
            verdict = self._dice.choice(REFUSALS)
            return self._wrong(process, verdict, f"answer_{verdict.name.lower()}"), False
        if storm.passing and draw() < storm.passing:
            verdict = self._dice.choice(PASSING)
            return self._wrong(process, verdict, f"answer_{verdict.name.lower()}"), False
        if storm.connector_answer_lost and draw() < storm.connector_answer_lost:
            self._trace.fault(now, process.life.name, "connector_answer_lost")
            return Answer(kind=Verdict.ACCEPTED), True
        return Answer(kind=Verdict.ACCEPTED), False

    def _wrong(self, process: Process, verdict: Verdict, fault: str, *, retry_after: float | None = None) -> Answer:
        self._trace.fault(asyncio.get_running_loop().time(), process.life.name, fault)
        return Answer(kind=verdict, retry_after=retry_after)

    def _has_token(self, now: float) -> bool:
        if self._rate is None:
            return True
        rate = self._rate * (self._storm.real_rate if now < self._storm.until else 1.0)
        self._tokens = min(self._depth, self._tokens + (now - self._filled_at) * rate)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _draw_wait(self, process: Process) -> float:
        now = asyncio.get_running_loop().time()
        if now < self._storm.until and self._storm.slow_answer and self._dice.random() < self._storm.slow_answer:
            self._trace.fault(now, process.life.name, "slow_answer")
            return self._dice.uniform(1.0, SLOWEST)
        return self._storm.connector_seconds * (0.6 + self._dice.expovariate(2.5))

    async def _wait(self, process: Process) -> None:
        await asyncio.sleep(min(TIMEOUT, self._draw_wait(process)))
        self._on_call("connector")


def _recipient(request: Request, body: dict[str, object]) -> str:
    """The key of the recipient that a message is for."""
    channel_data = body.get("channelData")
    if isinstance(channel_data, dict) and "channel" in channel_data:
        return recipient_key(RecipientKind.CHANNEL, str(channel_data["channel"]["id"]))
    chat = _chat_of(request)
    if chat is not None:
        return recipient_key(RecipientKind.USER, object_id(chat[0]))
    return recipient_key(RecipientKind.CHAT, _conversation_of(request))


def _conversation_of(request: Request) -> str:
    return unquote(request.url.partition("/conversations/")[2].partition("/activities")[0])


def _chat_of(request: Request) -> tuple[int, int] | None:
    """The number of the person in whose chat with the bot something is done, and how many they had before it."""
    conversation = _conversation_of(request)
    if (chat := CHAT_WITH_BOT.fullmatch(conversation)) is not None:
        return _number(chat[1]), 0
    if not conversation.startswith("a:"):
        return None
    number, _, before = conversation[2:].partition(".")
    return int(number), int(before or 0)


def _number(member: str) -> int:
    """The person's number, whether named by object id or by 29: id."""
    return int(member[3:]) if member.startswith("29:") else int(member.rpartition("-")[2], 16)
