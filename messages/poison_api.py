"""The HTTP API of what was set aside: poison is listed, and it and parked batches are replayed."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from messages.answers import Answer, Links, instant, json_answer
from messages.bodies import LARGEST_BODY
from messages.broadcast_api import known_id
from messages.poison import FUNCTIONS
from messages.problems import Problem, bad_query, malformed, too_large
from messages.queries import read_paging
from messages.replay import Replay
from shared.envelopes import read_json_object
from shared.errors import Fault, InvalidRequest
from shared.storage.poison import PoisonMessage, PoisonMessages

QUEUES = tuple(FUNCTIONS)
_ROW_ID = re.compile(r"[0-9]{13}![0-9a-f]{64}")
_FIELDS = ({"queue"}, {"queue", "id"}, {"queue", "after"}, {"broadcast"}, {"broadcast", "batch"})
_MOST_BATCHES = 10**8
_ONE_OF = f"this must be one of {', '.join(QUEUES)}"


class PoisonApi:
    """Answers requests of operators."""

    def __init__(self, messages: PoisonMessages, replay: Replay) -> None:
        self._messages = messages
        self._replay = replay

    async def list(self, query: Mapping[str, str], *, url: str) -> Answer:
        """What arrived in the poison queues, or in that of one queue, newest first."""
        paging = read_paging(query, most=100, usual=20)
        queue = query.get("queue", "")
        if queue and queue not in QUEUES:
            raise bad_query({"queue": _ONE_OF})
        found, after = await self._messages.page([queue] if queue else QUEUES, after=paging.after, limit=paging.limit)
        following = Links(url).poison(queue=queue, **paging.given, after=after) if after else None
        return json_answer(HTTPStatus.OK, {"messages": [_message(one) for one in found], "next": following})

    async def replay(self, body: bytes) -> Answer:
        """Replay one message or a queue's, one parked batch or a broadcast's."""
        if len(body) > LARGEST_BODY:
            raise too_large(size=len(body), limit=LARGEST_BODY)
        try:
            wish = _read_wish(read_json_object(body))
        except InvalidRequest as error:
            raise malformed(error) from error
        if "broadcast" in wish:
            return await self._replay_batches(known_id(wish["broadcast"]), wish.get("batch"))
        if "id" in wish:
            return _replayed([await self._replay.message(wish["queue"], wish["id"])], "")
        return _replayed(*await self._replay.queue(wish["queue"], after=wish.get("after", "")))

    async def _replay_batches(self, broadcast_id: str, number: int | None) -> Answer:
        if number is None:
            numbers = await self._replay.broadcast(broadcast_id)
        else:
            await self._replay.batch(broadcast_id, number)
            numbers = [number]
        return json_answer(HTTPStatus.ACCEPTED, {"broadcast": broadcast_id, "batches": numbers})


def _replayed(messages: list[dict[str, Any]], after: str) -> Answer:
    return json_answer(HTTPStatus.ACCEPTED, {"messages": messages, "after": after or None})


def _message(one: PoisonMessage) -> dict[str, Any]:
    return {
        "queue": one.queue,
        "id": one.id,
        "at": instant(one.at),
        "message_id": one.message_id,
        "why": one.why,
        "body": one.body.decode(errors="replace"),
    }


def _read_wish(document: dict[str, Any]) -> dict[str, Any]:
    """Read what is to be replayed. Raises Problem with everything that is wrong with it."""
    given = {name: value for name, value in document.items() if value is not None}
    faults = [Fault(pointer=f"/{name}", detail=detail) for name, detail in _faults(given)]
    if set(given) not in _FIELDS:
        detail = "this must have queue, or queue and id, or broadcast, or broadcast and batch, and nothing else"
        faults.append(Fault(pointer="", detail=detail))
    if faults:
        errors = [{"pointer": fault.pointer, "detail": fault.detail} for fault in faults]
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "invalid-request",
            "The request breaks the contract",
            "; ".join(fault.detail for fault in faults),
            errors=errors,
        )
    return given


def _faults(given: Mapping[str, Any]) -> list[tuple[str, str]]:
    faults = list[tuple[str, str]]()
    if "queue" in given and given["queue"] not in QUEUES:
        faults.append(("queue", _ONE_OF))
    faults += [
        (name, "this must come from an answer of Herald's")
        for name in ("id", "after")
        if name in given and not (isinstance(given[name], str) and _ROW_ID.fullmatch(given[name]))
    ]
    if "broadcast" in given and not isinstance(given["broadcast"], str):
        faults.append(("broadcast", "this must be a broadcast's id"))
    batch = given.get("batch", 0)
    if isinstance(batch, bool) or not isinstance(batch, int) or not 0 <= batch < _MOST_BATCHES:
        faults.append(("batch", "this must be a batch's number, from 0 on"))
    return faults
