"""Collecting: pages of an audience become a run, and what was read is kept by the cursor's next step.

A source that cannot be read has the plan rest, which the cursor tells as well. What a step read before that is kept.
"""

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from secrets import token_hex
from typing import Protocol

from shared.domain.audience import Audience, Source
from shared.domain.broadcasts import Broadcast
from shared.domain.cursors import Cursor, Phase, Wait
from shared.domain.pages import Page, Skip, add_places, add_skipped, unpack_places
from shared.domain.plans import leave_out, run_capacity
from shared.domain.recipients import is_name
from shared.errors import DirectoryError, DirectoryRefused, DirectoryUnavailable, PageExpired
from shared.ports import Clock
from shared.storage.runs import Runs
from shared.telemetry import log_event
from shared.work.elapsed import monotonic

PAGE_KEYS = 1_000
STEP_SECONDS = 20.0
"""A step of collecting ends after so long: the sweep takes a plan without a step in 45 seconds for one that stands."""
REST_SECONDS = 10.0
"""How long a plan rests at least before it asks again for a page that could not be read."""
LONGEST_REST = 900.0
JITTER = 0.1
REFUSED_REST = 50.0
"""How long it rests where Graph refuses: the sweep has it tried again each minute."""

logger = logging.getLogger(__name__)


class Pages(Protocol):
    """Reads an audience's sources page by page."""

    async def page(self, tenant: str, audience: Audience, source: Source, token: str, limit: int) -> Page:
        """Some recipients from `token` on, about `limit` of them. Raises DirectoryError."""


@dataclass(slots=True)
class _Found:
    """What one step has read of a source; `token` tells where that goes on."""

    source: Source
    token: str
    keys: set[str] = field(default_factory=set)
    skipped: dict[str, Skip] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    pages: int = 0

    def add(self, page: Page) -> None:
        self.keys.update(page.keys)
        self.skipped.update(page.skipped)
        if page.unknown:
            self.unknown.append(page.unknown)
        self.token = page.token
        self.pages += 1

    @property
    def size(self) -> int:
        return len(self.keys) + len(self.skipped)


class Collecting:
    """Collects runs. Which of them are valid is the cursor's to say: whoever loses its step has collected in vain."""

    def __init__(self, runs: Runs, pages: Pages, clock: Clock) -> None:
        self._runs = runs
        self._pages = pages
        self._clock = clock

    async def step(self, broadcast: Broadcast, audience: Audience, cursor: Cursor, *, until: float) -> Cursor:
        """Where the plan stands behind the next pages of its source, at a new run; or resting where none can be read.

        `until` is by the process's monotonic clock: one page is read in any case, and none after it.
        """
        if cursor.source >= len(audience.sources):
            return replace(cursor, phase=Phase.FINISHED)
        source = audience.sources[cursor.source]
        found = _Found(source=source, token=cursor.token)
        capacity = run_capacity(len(cursor.except_runs.split() if source.is_exception else cursor.run_names))
        until = min(until, monotonic() + STEP_SECONDS)
        while True:
            try:
                page = await self._page(broadcast, audience, source, found.token)
            except DirectoryError as error:
                if not found.pages:
                    return resting(broadcast, cursor, error, now=self._clock.now())
                break
            found.add(page)
            if not found.token or found.size >= capacity or monotonic() > until:
                break
        if source.is_exception:
            return await self._except(broadcast, audience, cursor, found)
        cursor = _tell_unknown(broadcast, audience, _behind(cursor, found.token), found)
        cursor = await self._skip(broadcast.id, cursor, found)
        return await self._keep(broadcast.id, cursor, source, sorted(found.keys))

    async def _page(self, broadcast: Broadcast, audience: Audience, source: Source, token: str) -> Page:
        """A page that leads on. One that leads to itself would be read for ever, at the whole pace."""
        page = await self._pages.page(broadcast.tenant, audience, source, token, PAGE_KEYS)
        if page.token and page.token == token:
            raise DirectoryUnavailable("PageLeadsToItself")
        return page

    async def _keep(self, broadcast_id: str, cursor: Cursor, source: Source, keys: Sequence[str]) -> Cursor:
        """Store the run, to be walked next."""
        if not keys:
            return cursor
        name = token_hex(4)
        await self._runs.save(broadcast_id, name, source.kind, keys)
        runs = f"{cursor.runs} {name}".strip()
        return replace(cursor, phase=Phase.EMIT, runs=runs, kind=source.kind, after="")

    async def _skip(self, broadcast_id: str, cursor: Cursor, found: _Found) -> Cursor:
        """Count those who are left out and were not counted before, and remember them for the next pages."""
        if not found.skipped:
            return cursor
        fresh = sorted(found.skipped)
        for name in cursor.skipped_runs.split():
            fresh = leave_out(fresh, [(await self._runs.read(broadcast_id, name))[1]])
        if not fresh:
            return cursor
        name = token_hex(4)
        await self._runs.save(broadcast_id, name, "user", fresh)
        skipped = add_skipped(cursor.skipped, (found.skipped[key] for key in fresh))
        return replace(cursor, skipped_runs=f"{cursor.skipped_runs} {name}".strip(), skipped=skipped)

    async def _except(self, broadcast: Broadcast, audience: Audience, cursor: Cursor, found: _Found) -> Cursor:
        """Store who is to be left out. Where a group or a roster is unknown the plan rests.

        It may stand for hundreds of people, and what is sent cannot be unsent. One person whom nobody knows must not
        hold up everybody else.
        """
        people = [place for place in unpack_places(cursor.unknown_exceptions) if place < len(audience.except_people)]
        people += [audience.exceptions.index(key) for key in found.keys if is_name(key)]
        if found.unknown:
            places = add_places("", [*people, *(audience.exceptions.index(one) for one in found.unknown)])
            log_event(logger, "exception_unknown", level=logging.ERROR, broadcast=broadcast.id, places=places)
            resting = replace(cursor, waits_for=Wait.EXCEPTION, unknown_exceptions=places)
            return replace(resting, rests_until=self._clock.now() + REFUSED_REST * _longer())
        cursor = replace(_behind(cursor, found.token), unknown_exceptions=add_places("", people))
        # Guests and disabled accounts may be named elsewhere: who is left out is left out for good.
        keys = sorted(found.keys | found.skipped.keys())
        if not keys:
            return cursor
        name = token_hex(4)
        await self._runs.save(broadcast.id, name, found.source.kind, keys)
        return replace(cursor, except_runs=f"{cursor.except_runs} {name}".strip())


def resting(broadcast: Broadcast, cursor: Cursor, error: DirectoryError, *, now: float) -> Cursor:
    """The cursor of a plan that asks again later, for the same page or for the list's first one."""
    longer = _longer()
    if isinstance(error, PageExpired):
        log_event(logger, "page_expired", level=logging.WARNING, broadcast=broadcast.id)
        return replace(cursor, token=error.start, waits_for=Wait.DIRECTORY, rests_until=now + REST_SECONDS * longer)
    if isinstance(error, DirectoryRefused):
        log_event(logger, "audience_refused", level=logging.ERROR, broadcast=broadcast.id, cause=str(error))
        return replace(cursor, waits_for=Wait.CONSENT, rests_until=now + REFUSED_REST * longer)
    wait = error.retry_after or 0.0 if isinstance(error, DirectoryUnavailable) else 0.0
    log_event(logger, "audience_unavailable", level=logging.WARNING, broadcast=broadcast.id, cause=str(error))
    rest = min(max(wait, REST_SECONDS), LONGEST_REST)
    return replace(cursor, waits_for=Wait.DIRECTORY, rests_until=now + rest * longer)


def _tell_unknown(broadcast: Broadcast, audience: Audience, cursor: Cursor, found: _Found) -> Cursor:
    """The cursor with the places of groups, or rosters, that turned out not to be there."""
    if found.source is Source.ROSTERS:
        for roster in found.unknown:
            log_event(logger, "roster_unknown", level=logging.WARNING, broadcast=broadcast.id, roster=roster)
        places = [audience.rosters.index(one) for one in found.unknown]
        return replace(cursor, unknown_rosters=add_places(cursor.unknown_rosters, places))
    for group in found.unknown:
        log_event(logger, "group_unknown", level=logging.WARNING, broadcast=broadcast.id, group=group)
    places = [audience.groups.index(one) for one in found.unknown]
    return replace(cursor, unknown_groups=add_places(cursor.unknown_groups, places))


def _behind(cursor: Cursor, token: str) -> Cursor:
    """The cursor behind pages that were read, going on in its source or with the next one."""
    source = cursor.source if token else cursor.source + 1
    return replace(cursor, token=token, source=source, waits_for="", rests_until=0.0)


def _longer() -> float:
    """A rest's factor. Planners that fail side by side must not write the same rest: each would take it for its own."""
    return 1 + JITTER * random.random()  # noqa: S311 - jitter is no secret
