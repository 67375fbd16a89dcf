"""Requests to see to the app without a message: what is accepted, and what is wrong with the others."""

from typing import Any

import orjson
import pytest

from messages import parts
from messages.answers import Answer
from messages.problems import answering
from shared.composition import App
from shared.domain.audience import unpack_audience
from shared.domain.modes import Mode
from shared.storage.audiences import SavedAudience
from tests.twins.graph import MemoryGraph
from tests.twins.storage import MemoryAccount
from tests.twins.teams import MemoryConnector
from tests.twins.world import TENANT, compose_app, object_id

NOON = 1_780_000_000.0
URL = "https://herald.test/api/installs"
TEAM, CHAT = "19:team@thread.tacv2", "19:chat@thread.v2"


def an_app(*, graph: MemoryGraph | None = None) -> App:
    return compose_app(MemoryAccount(lambda: NOON), connector=MemoryConnector(), pace=None, graph=graph)


async def ask(app: App, *, header: str | None = None, **changes: Any) -> tuple[int, dict[str, Any], Answer]:
    document = {"version": 1, "key": "k", "audience": {"users": [object_id(1)]}, **changes}
    wanted = parts.install_api(app).create(orjson.dumps(document), key_header=header, url=URL)
    answer = await answering(wanted)
    return answer.status, orjson.loads(answer.body), answer


@pytest.mark.parametrize(
    ("action", "mode"), [(None, "install"), ("install", "install"), ("upgrade", "upgrade"), ("remove", "remove")]
)
async def test_a_request_becomes_a_broadcast_that_says_nothing(action: str | None, mode: str) -> None:
    app = an_app(graph=MemoryGraph())

    status, report, answer = await ask(app, action=action, options={"expires_after": "PT4H"})

    head = await app.broadcasts.head(report["id"])
    assert (status, report["mode"], head.mode) == (202, mode, Mode(mode))
    assert answer.headers["Location"] == f"https://herald.test/api/broadcasts/{report['id']}"
    assert head.expires_at == NOON + 4 * 3600
    assert await app.broadcasts.content(report["id"]) == b""


async def test_the_same_key_is_the_same_broadcast_and_another_action_is_refused() -> None:
    app = an_app(graph=MemoryGraph())

    _, first, _ = await ask(app)
    _, again, _ = await ask(app, action="install")
    status, problem, _ = await ask(app, action="remove")

    assert first["id"] == again["id"]
    assert (status, problem["type"]) == (409, "urn:herald:problem:key-reused")


async def test_people_of_a_saved_audience_are_seen_to() -> None:
    app = an_app(graph=MemoryGraph())
    document = {"users": [object_id(1)]}
    await app.audiences.put(TENANT, SavedAudience(name="sales", document=document, changed_at=NOON))

    status, report, _ = await ask(app, audience={"saved": ["sales"]})
    unknown, problem, _ = await ask(app, key="other", audience={"saved": ["sails"]})

    assert (status, unknown, problem["errors"][0]["pointer"]) == (202, 422, "/audience/saved/0")
    assert unpack_audience(await app.broadcasts.audience(report["id"])).users == (f"user!{object_id(1)}",)


@pytest.mark.parametrize(
    ("changes", "pointer", "words"),
    [
        ({"audience": {"channels": [TEAM]}}, "/audience/channels", "name the team under teams"),
        ({"audience": {"chats": [CHAT]}}, "/audience/chats", "add groupChat to HERALD_INSTALL_SCOPES"),
        ({"audience": {"teams": [TEAM]}}, "/audience/teams", "add team to HERALD_INSTALL_SCOPES"),
        ({"audience": {}}, "/audience", "the audience is empty"),
        ({"action": "reinstall"}, "/action", '"install", "upgrade" or "remove"'),
        ({"content": {"text": "Hello"}}, "/content", "there is no such field"),
        ({"options": {"expires_after": "soon"}}, "/options/expires_after", "ISO 8601 duration"),
        ({"tenant": "00000000-0000-0000-0000-00000000bbbb"}, "/tenant", "does not serve this tenant"),
    ],
)
async def test_what_is_wrong_is_told_with_what_would_be_right(
    changes: dict[str, Any], pointer: str, words: str
) -> None:
    status, problem, _ = await ask(an_app(graph=MemoryGraph()), **changes)

    assert status == 422
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert words in problem["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("audience", "field"),
    [
        ({"users": [object_id(1)]}, "users"),
        ({"groups": [object_id(1)]}, "groups"),
        ({"everyone": "tenant"}, "everyone"),
        ({"everyone": "installed"}, "everyone"),
    ],
)
async def test_people_need_the_scope_of_people(audience: dict[str, Any], field: str) -> None:
    status, problem, _ = await ask(an_app(graph=MemoryGraph(scopes="team")), audience=audience)

    assert status == 422
    assert [error["pointer"] for error in problem["errors"]] == [f"/audience/{field}"]
    assert "add personal to HERALD_INSTALL_SCOPES" in problem["errors"][0]["detail"]


async def test_an_app_that_does_not_know_what_to_install_says_so() -> None:
    status, problem, _ = await ask(an_app())

    assert (status, problem["type"]) == (409, "urn:herald:problem:installs-not-set-up")
    assert "HERALD_TEAMS_APP_EXTERNAL_ID" in problem["detail"]


@pytest.mark.parametrize("wish", ["edit", "recall"])
async def test_what_says_nothing_cannot_be_edited_or_recalled(wish: str) -> None:
    app = an_app(graph=MemoryGraph())
    _, report, _ = await ask(app)
    author = parts.wishes(app)

    words = orjson.dumps({"content": {"text": "Other words"}})
    asked = author.edit(report["id"], words, url=URL) if wish == "edit" else author.recall(report["id"], url=URL)
    answer = await answering(asked)

    assert (answer.status, orjson.loads(answer.body)["type"]) == (409, "urn:herald:problem:no-message")
    assert (await app.broadcasts.head(report["id"])).revision == 0


async def test_a_retry_sees_to_the_app_again_and_says_nothing_either() -> None:
    app = an_app(graph=MemoryGraph())
    _, report, _ = await ask(app, action="upgrade")

    body = orjson.dumps({"reasons": ["blocked_by_admin"]})
    answer = await parts.wishes(app).retry(report["id"], body, key_header=None, url=URL)

    assert orjson.loads(answer.body)["mode"] == "upgrade"
