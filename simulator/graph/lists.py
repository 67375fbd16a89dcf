"""How Graph answers a list: in pages with links, or as a number."""

import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from simulator.calls import Answer
from simulator.graph.call import GraphCall
from simulator.graph.errors import GraphError
from simulator.graph.paging import TOKEN
from simulator.world import World

TEXT = {"Content-Type": "text/plain"}


def listed(
    world: World,
    call: GraphCall,
    find: Callable[[], Sequence[Any]],
    show: Callable[[Any], dict[str, Any]],
    *,
    context: str,
    options: frozenset[str],
) -> Answer:
    """A page of what `find` finds on the first page: later ones go on in the same list."""
    unknown = next((name for name in call.query if name not in options and name != TOKEN), None)
    if unknown is not None:
        raise GraphError(400, "Request_BadRequest", f"'{unknown}' is not supported by the service.")
    wants_count = call.query.get("$count") == "true"
    if wants_count:
        require_advanced(call)
    graph, now = world.graph, time.monotonic()
    habits = graph.habits
    link = graph.pages.follow(call, now, habits.page_life_s)
    found, start = (link.found, link.position) if link is not None else (find(), 0)
    page = graph.pages.cut(call, found, start, now=now, limit=habits.page_limit, repeats=habits.repeats)
    base = f"{world.login_url}/v1.0"
    body: dict[str, Any] = {"@odata.context": f"{base}/$metadata#{context}"}
    if wants_count and link is None:
        body["@odata.count"] = page.total
    if page.next_query is not None:
        path = "/".join(quote(segment, safe="$") for segment in call.path)
        body["@odata.nextLink"] = f"{base}/{path}?{page.next_query}"
    return Answer(200, {**body, "value": [show(entry) for entry in page.entries]})


def counted(call: GraphCall, find: Callable[[], Sequence[Any]]) -> Answer:
    """`.../$count`: a number as plain text."""
    require_advanced(call)
    return Answer(200, len(find()), TEXT)


def require_advanced(call: GraphCall) -> None:
    """Refuse an advanced query without the header `ConsistencyLevel: eventual`."""
    if not call.advanced:
        raise GraphError(400, "Request_BadRequest", "$count is not currently supported.")
