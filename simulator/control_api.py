"""The control API: every verb of the stage by `POST /_control/{verb}`, and the ledger by plain paths.

The body of a verb is a JSON object of its arguments. A person's mistake is answered 400 with a sentence.
"""

import inspect
from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from simulator.stage import Stage

PREFIX = "/_control"
VERBS = (
    *("add_people", "add_person", "add_team", "add_chat", "person"),
    *("install", "uninstall", "install_in_team", "uninstall_from_team", "install_in_chat", "uninstall_from_chat"),
    *("join_team", "leave_team", "rename_team"),
    *("say", "react", "invoke", "forge", "post"),
    *("set_bot", "set_limits", "misbehave", "behave", "fault_hits", "rotate_keys", "bearer", "traffic"),
    *("change_people", "add_group", "join_group", "leave_group", "consent", "set_catalog"),
    *("refuse_installs", "allow_installs", "installations"),
    *("register_certificate", "register_federation", "identity_assertion", "forget_credentials"),
    *("set_graph", "set_graph_limits", "graph_summary", "clear_graph_summary"),
    *("ledger_contents", "wait_for_deliveries", "wait_until_quiet"),
)
PAGE_LIMIT = 10_000


def routes(stage: Stage, addresses: Mapping[str, Any]) -> list[web.RouteDef]:
    """The control API's routes."""

    async def verb(request: web.Request) -> web.Response:
        name = request.match_info["verb"]
        if name not in VERBS:
            return _json({"message": f"There is no verb {name}; there are: {', '.join(VERBS)}."}, 404)
        raw = await request.read()
        try:
            result = getattr(stage, name)(**orjson.loads(raw or b"{}"))
            return _json(await result if inspect.isawaitable(result) else result)
        except TimeoutError as error:
            return _json({"message": str(error)}, 408)
        except (TypeError, ValueError, LookupError, RuntimeError) as error:
            return _json({"message": str(error)}, 400)

    async def describe(_: web.Request) -> web.Response:
        return _json(dict(addresses))

    async def bot(request: web.Request) -> web.Response:
        try:
            stage.set_bot(orjson.loads(await request.read())["endpoint"])
        except (ValueError, LookupError, TypeError):
            return _json({"message": "The body must be a JSON object with 'endpoint'."}, 400)
        return _json(None)

    async def entries(request: web.Request) -> web.Response:
        query = request.query
        limit = min(PAGE_LIMIT, int(query.get("limit") or 1000))
        after = int(query.get("after") or 0)
        page = stage.ledger_entries(
            person=query.get("person") or None, after=after, event=query.get("event") or None, limit=limit
        )
        return _json({"entries": page, "next": page[-1].seq if len(page) == limit else None})

    async def summary(_: web.Request) -> web.Response:
        return _json(stage.ledger_summary())

    async def people(_: web.Request) -> web.Response:
        return _json(stage.ledger_people())

    async def clear(_: web.Request) -> web.Response:
        stage.clear_ledger()
        return _json(None)

    return [
        web.get(PREFIX, describe),
        web.put(f"{PREFIX}/bot", bot),
        web.get(f"{PREFIX}/ledger", entries),
        web.delete(f"{PREFIX}/ledger", clear),
        web.get(f"{PREFIX}/ledger/summary", summary),
        web.get(f"{PREFIX}/ledger/people", people),
        web.post(f"{PREFIX}/{{verb}}", verb),
    ]


def _json(result: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(result), content_type="application/json")
