"""Answers of the HTTP API as plain values, and the links in them. `blueprint.py` turns them into responses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes


def json_answer(status: int, document: Mapping[str, Any], *, headers: Mapping[str, str] | None = None) -> Answer:
    """Answer with a JSON document."""
    return Answer(
        status=status, headers={"Content-Type": "application/json", **(headers or {})}, body=orjson.dumps(document)
    )


def instant(seconds: float | None) -> str | None:
    """Seconds since the epoch as ISO 8601 in UTC, to the millisecond."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_ROOTS = frozenset(
    {
        *("broadcasts", "audiences", "schedules", "installs", "rejections", "people", "reachability", "poison"),
        *("digests", "tenants"),
    }
)


def following_page(link: str | None) -> dict[str, str]:
    """The header that names the next page of an answer whose body has no place for it."""
    return {"Link": f'<{link}>; rel="next"'} if link else {}


class Links:
    """Addresses beside the one that was asked for: absolute where that was, whatever the app's route prefix is.

    They never carry the function key, which belongs into the header `x-functions-key`.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}" if parts.scheme and parts.netloc else ""
        steps = parts.path.split("/")
        place = next((index for index, step in enumerate(steps) if step in _ROOTS), 0)
        self._root = origin + "/".join(steps[:place]) if place else "/api"

    def broadcasts(self, **query: str | int) -> str:
        """The list of broadcasts."""
        return self._address("broadcasts", query)

    def broadcast(self, broadcast_id: str) -> str:
        """One broadcast."""
        return self._address(f"broadcasts/{broadcast_id}", {})

    def deliveries(self, broadcast_id: str, **query: str | int) -> str:
        """A broadcast's deliveries."""
        return self._address(f"broadcasts/{broadcast_id}/deliveries", query)

    def audiences(self, **query: str | int) -> str:
        """The list of saved audiences."""
        return self._address("audiences", query)

    def audience(self, name: str, *, tenant: str) -> str:
        """One saved audience."""
        return self._address(f"audiences/{name}", {"tenant": tenant})

    def schedules(self, **query: str | int) -> str:
        """The list of schedules."""
        return self._address("schedules", query)

    def schedule(self, schedule_id: str) -> str:
        """One schedule."""
        return self._address(f"schedules/{schedule_id}", {})

    def calendar(self, tenant: str) -> str:
        """A tenant's calendar."""
        return self._address(f"tenants/{tenant}/calendar", {})

    def digest_items(self, digest: str, **query: str | int) -> str:
        """What waits for a digest."""
        return self._address(f"digests/{digest}/items", query)

    def rejections(self, **query: str | int) -> str:
        """The list of rejections."""
        return self._address("rejections", query)

    def deliveries_to(self, person: str, **query: str | int) -> str:
        """What a person got lately."""
        return self._address(f"people/{person}/deliveries", query)

    def reachability(self, **query: str | int) -> str:
        """How many people can be reached."""
        return self._address("reachability", query)

    def reachable_people(self, **query: str | int) -> str:
        """Who can be reached, and who cannot."""
        return self._address("reachability/people", query)

    def poison(self, **query: str | int) -> str:
        """What arrived in poison queues."""
        return self._address("poison", query)

    def _address(self, path: str, query: Mapping[str, str | int]) -> str:
        given = {name: value for name, value in query.items() if value != ""}
        return f"{self._root}/{path}" + (f"?{urlencode(given)}" if given else "")
