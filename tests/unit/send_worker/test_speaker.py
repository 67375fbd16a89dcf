"""The speaker: which calls a recipient takes, in which order, and what is kept of them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import orjson
import pytest

from send_worker.speaker import GCC_SERVICE_URL, WINDOW_PATIENCE, Speaker, Spoken
from shared.domain.activities import timestamp
from shared.domain.batches import Recipient
from shared.domain.references import Reference, values_of
from shared.errors import ServiceHostRefused, StorageUnavailable, TokenRefused, TokenUnavailable
from shared.storage.conversations import Conversations
from shared.storage.rows import upsert
from shared.storage.windows import WindowRows
from shared.teams.answers import Answer, Verdict
from shared.teams.protocol import Request
from tests.twins.loop import run_virtually
from tests.twins.storage import MemoryAccount, Moment, fail_once

TENANT, PUBLIC = "t", "https://smba.trafficmanager.net/teams/"
MEMBER = "00000000-0000-0000-0000-000000000001"
PERSON, CHAT, CHANNEL = f"user!{MEMBER}", "chat!19:a@thread.v2", "channel!19:b@thread.tacv2"
ACTIVITY = b'{"type":"message"}'
ACCEPTED = Answer(kind=Verdict.ACCEPTED, activity_id="m1", conversation_id="a:new")
WRONG_HOST = Answer(kind=Verdict.WRONG_HOST, code="InvalidBotApiHost")


class ScriptedConnector:
    """Answers as it is told, one call after the other, and then always the same."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[Request] = []
        self.said_at: list[float] = []

    async def send(self, request: Request) -> Answer:
        self.requests.append(request)
        self.said_at.append(asyncio.get_running_loop().time())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def authorize(self) -> None:
        if isinstance(self.answers[0], Exception):
            raise self.answers[0]

    @property
    def urls(self) -> list[str]:
        return [request.url for request in self.requests]


class Desk:
    """A speaker over references in memory."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.held = False
        loop = asyncio.get_running_loop()
        self.account = MemoryAccount(lambda: 1_800_000_000.0 + loop.time())
        self.connector = ScriptedConnector(*(answers or (ACCEPTED,)))
        self.references = self.account.table("Conversations")
        self.windows = self.account.table("Pace")
        self.conversations = Conversations(self.references)
        rows = WindowRows(self.windows, self.account.clock)
        self.speaker = Speaker(self.connector, self.conversations, rows, self.account.clock, app_id="app")

    async def know(self, key: str, *, conversation: str, service_url: str = PUBLIC) -> None:
        reference = Reference(conversation=conversation, service_url=service_url)
        await self.references.write(TENANT, [upsert(key, values_of(reference))])

    async def known(self, key: str = PERSON) -> Reference | None:
        return await self.conversations.get(TENANT, key)

    async def say(self, key: str = PERSON, *, conversation: str = "", service_url: str = PUBLIC) -> Spoken:
        member = MEMBER if key == PERSON else ""
        recipient = Recipient(key=key, conversation=conversation, member=member, service_url=service_url)
        return await self.speaker.speak(
            recipient, ACTIVITY, tenant=TENANT, conversation=conversation, may_go_on=self.may_go_on
        )

    async def may_go_on(self) -> bool:
        return not self.held


def at_a_desk(scenario: Callable[[Desk], Awaitable[None]], *answers: Answer | Exception) -> None:
    async def run() -> None:
        await scenario(Desk(*answers))

    run_virtually(run())


def conversations_at(service_url: str) -> str:
    return f"{service_url}v3/conversations"


def test_a_known_conversation_takes_one_call_and_nothing_of_storage() -> None:
    async def scenario(desk: Desk) -> None:
        desk.account.use_hook(fail_once(AssertionError("a call"), moment=Moment.BEFORE, verb="get"))

        spoken = await desk.say(conversation="a%3A1")

        assert spoken == Spoken(answer=ACCEPTED)
        assert desk.connector.urls == [f"{conversations_at(PUBLIC)}/a%3A1/activities"]
        assert desk.connector.requests[0].body == ACTIVITY

    at_a_desk(scenario)


def test_a_person_without_a_conversation_gets_one_that_is_kept() -> None:
    async def scenario(desk: Desk) -> None:
        spoken = await desk.say()

        assert spoken == Spoken(answer=ACCEPTED, conversation="a%3Anew")
        assert desk.connector.urls == [conversations_at(PUBLIC), f"{conversations_at(PUBLIC)}/a%3Anew/activities"]
        assert orjson.loads(desk.connector.requests[0].body)["members"] == [{"id": MEMBER}]
        assert await desk.known() == Reference(conversation="a:new", service_url=PUBLIC)

    at_a_desk(scenario)


def test_a_person_whose_conversation_was_forgotten_gets_a_new_one() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.know(PERSON, conversation="")

        await desk.say()

        at = timestamp(desk.account.now())
        assert await desk.known() == Reference(conversation="a:new", service_url=PUBLIC, changed_at=at)

    at_a_desk(scenario)


@pytest.mark.parametrize("verdict", [Verdict.NOT_INSTALLED, Verdict.BUSY, Verdict.ANSWER_LOST])
def test_a_creation_that_is_refused_has_delivered_nothing(verdict: Verdict) -> None:
    async def scenario(desk: Desk) -> None:
        spoken = await desk.say()

        assert spoken == Spoken(answer=Answer(kind=verdict), delivering=False)
        assert len(desk.connector.requests) == 1
        assert await desk.known() is None

    at_a_desk(scenario, Answer(kind=verdict))


def test_a_created_conversation_is_known_even_where_the_message_is_refused() -> None:
    async def scenario(desk: Desk) -> None:
        spoken = await desk.say()

        assert spoken == Spoken(answer=Answer(kind=Verdict.BUSY), conversation="a%3Anew")

    at_a_desk(scenario, ACCEPTED, Answer(kind=Verdict.BUSY))


def test_a_conversation_that_cannot_be_kept_is_spoken_in_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(desk: Desk) -> None:
        desk.account.use_hook(fail_once(StorageUnavailable("busy"), moment=Moment.BEFORE, verb="write"))

        assert (await desk.say()).answer is ACCEPTED

    at_a_desk(scenario)

    assert caplog.messages == [f'conversation_not_kept {{"recipient":"{PERSON}"}}']


def test_a_channel_gets_a_thread_of_its_own() -> None:
    async def scenario(desk: Desk) -> None:
        spoken = await desk.say(CHANNEL, conversation="19%3Ab%40thread.tacv2")

        assert spoken == Spoken(answer=ACCEPTED)
        assert desk.connector.urls == [conversations_at(PUBLIC)]
        body = orjson.loads(desk.connector.requests[0].body)
        assert body["channelData"]["channel"]["id"] == "19:b@thread.tacv2"
        assert body["activity"] == {"type": "message"}

    at_a_desk(scenario)


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (TokenRefused("expired"), Verdict.UNAUTHORIZED),  # Nobody gets anything: the broadcast pauses.
        (TokenUnavailable("away"), Verdict.UNREACHABLE),  # A later try may work.
        (ServiceHostRefused("stranger"), Verdict.UNREACHABLE),  # An operator names the host, and a later try works.
    ],
)
def test_what_never_left_is_told_as_such(error: Exception, verdict: Verdict) -> None:
    async def scenario(desk: Desk) -> None:
        spoken = await desk.say(conversation="a%3A1")

        assert spoken.answer == Answer(kind=verdict, code=type(error).__name__)

    at_a_desk(scenario, error)


@pytest.mark.parametrize(
    ("answer", "is_authorized"), [(ACCEPTED, True), (TokenRefused("expired"), False), (TokenUnavailable("away"), False)]
)
def test_who_can_have_a_token_is_authorized(answer: Answer | Exception, is_authorized: bool) -> None:
    async def scenario(desk: Desk) -> None:
        assert await desk.speaker.is_authorized() is is_authorized

    at_a_desk(scenario, answer)


@pytest.mark.parametrize(
    ("key", "conversation", "path"),
    [
        (PERSON, "a%3A1", "/a%3A1/activities"),
        (CHAT, "19%3Aa%40thread.v2", "/19%3Aa%40thread.v2/activities"),
        (CHANNEL, "19%3Ab%40thread.tacv2", ""),
    ],
)
def test_a_gcc_tenant_is_addressed_anew_and_its_reference_moves(key: str, conversation: str, path: str) -> None:
    async def scenario(desk: Desk) -> None:
        await desk.know(key, conversation="stays")

        spoken = await desk.say(key, conversation=conversation)

        assert spoken == Spoken(answer=ACCEPTED)
        assert desk.connector.urls == [conversations_at(host) + path for host in (PUBLIC, GCC_SERVICE_URL)]
        assert desk.connector.requests[0].body == desk.connector.requests[1].body
        assert await desk.known(key) == Reference(conversation="stays", service_url=GCC_SERVICE_URL)

    at_a_desk(scenario, WRONG_HOST, ACCEPTED)


def test_a_conversation_that_is_created_in_gcc_is_kept_with_its_host() -> None:
    async def scenario(desk: Desk) -> None:
        spoken = await desk.say()

        assert spoken == Spoken(answer=ACCEPTED, conversation="a%3Anew")
        assert await desk.known() == Reference(conversation="a:new", service_url=GCC_SERVICE_URL)

    at_a_desk(scenario, WRONG_HOST, ACCEPTED, WRONG_HOST, ACCEPTED)


@pytest.mark.parametrize(
    ("service_url", "answers", "calls", "verdict"),
    [
        (PUBLIC, [WRONG_HOST], 2, Verdict.WRONG_HOST),  # Both hosts refuse: nothing is left to try.
        (GCC_SERVICE_URL, [WRONG_HOST], 1, Verdict.WRONG_HOST),  # It came from there already.
        (PUBLIC, [WRONG_HOST, Answer(kind=Verdict.BUSY)], 2, Verdict.BUSY),  # Tried again as any other.
        (PUBLIC, [Answer(kind=Verdict.BUSY)], 1, Verdict.BUSY),  # Only a wrong host is worth another one.
    ],
)
def test_a_reference_moves_only_where_the_other_host_accepts(
    service_url: str, answers: Sequence[Answer], calls: int, verdict: Verdict
) -> None:
    async def scenario(desk: Desk) -> None:
        await desk.know(PERSON, conversation="a:1", service_url=service_url)

        spoken = await desk.say(conversation="a%3A1", service_url=service_url)

        assert spoken.answer.kind is verdict
        assert len(desk.connector.requests) == calls
        assert await desk.known() == Reference(conversation="a:1", service_url=service_url)

    at_a_desk(scenario, *answers)


def test_a_move_that_storage_refuses_does_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(desk: Desk) -> None:
        await desk.know(PERSON, conversation="a:1")
        desk.account.use_hook(fail_once(StorageUnavailable("busy"), moment=Moment.BEFORE, verb="write"))

        assert (await desk.say(conversation="a%3A1")).answer is ACCEPTED

    at_a_desk(scenario, WRONG_HOST, ACCEPTED)

    assert "conversation_not_kept" in caplog.text


@pytest.mark.parametrize(("key", "conversation"), [(CHAT, "c"), (CHANNEL, "c")])
def test_a_conversation_hears_no_more_than_its_windows_allow(key: str, conversation: str) -> None:
    async def scenario(desk: Desk) -> None:
        spoken = await asyncio.gather(*(desk.say(key, conversation=conversation) for _ in range(4)))
        spoken += await asyncio.gather(*(desk.say(key, conversation=conversation) for _ in range(4)))
        late = await desk.say(key, conversation=conversation)

        assert [one.answer for one in spoken] == [ACCEPTED] * 8
        said = desk.connector.said_at
        assert sum(at < 1.0 for at in said) == 7
        assert sorted(said)[7] >= 1.0
        # The ninth may speak two seconds after the first; by now that is near enough to be waited for.
        assert late.answer is ACCEPTED
        assert sorted(said)[8] >= 2.0

    at_a_desk(scenario)


def test_a_place_too_far_away_is_deferred_without_a_call() -> None:
    async def scenario(desk: Desk) -> None:
        rows = WindowRows(desk.windows, desk.account.clock)
        for _ in range(60):
            await rows.take(TENANT, CHAT, patience=1_000.0)

        spoken = await desk.say(CHAT, conversation="c")

        assert spoken.answer.kind is Verdict.BUSY
        assert (spoken.answer.retry_after or 0) > WINDOW_PATIENCE
        assert desk.connector.requests == []

    at_a_desk(scenario)


@pytest.mark.parametrize("key", [CHAT, CHANNEL])
def test_windows_that_storage_fails_prove_that_nothing_was_sent(key: str) -> None:
    async def scenario(desk: Desk) -> None:
        desk.account.use_hook(fail_once(StorageUnavailable("busy"), moment=Moment.BEFORE, verb="get"))

        spoken = await desk.say(key, conversation="c")

        assert spoken.answer == Answer(kind=Verdict.BUSY, code="StorageUnavailable")
        assert desk.connector.requests == []

    at_a_desk(scenario)


def test_a_chat_that_was_created_while_the_broadcast_was_held_is_not_spoken_in() -> None:
    async def scenario(desk: Desk) -> None:
        desk.held = True

        spoken = await desk.say()

        assert (spoken.answer.code, spoken.delivering) == ("held", False)
        assert spoken.conversation

    at_a_desk(scenario, Answer(kind=Verdict.ACCEPTED, conversation_id="a:1"))
