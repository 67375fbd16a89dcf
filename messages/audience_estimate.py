"""An estimate of what an audience comes to, within seconds: nothing is planned and nothing is written."""

import math
from collections.abc import Collection
from http import HTTPStatus
from typing import Any

from messages.answers import Answer, json_answer
from messages.audience_counts import AudienceCounts, Parts
from messages.audience_documents import EstimateBody, read_estimate
from messages.audience_problems import directory_away, directory_refused
from shared.audience_requests import read_audience, read_saved
from shared.domain.audience import Audience
from shared.domain.estimates import Part, at_most, expect, sampled
from shared.domain.rehearsals import Prospect, prospect_of, requests_for
from shared.errors import DirectoryRefused, DirectoryUnavailable, Fault, InvalidRequest
from shared.lookup import Lookup
from shared.snapshots import Snapshots

MOST_GROUPS = 100
"""Groups of one estimate: two requests to Graph each, some seconds at its pace."""


class AudienceEstimate:
    """Answers authors. `pace` is the tenants' limit in requests per second."""

    def __init__(
        self,
        *,
        snapshots: Snapshots,
        counts: AudienceCounts,
        lookup: Lookup,
        pace: float | None,
        tenants: Collection[str],
        takes_names: bool,
    ) -> None:
        self._snapshots = snapshots
        self._counts = counts
        self._lookup = lookup
        self._pace = pace
        self._tenants = tenants
        self._takes_names = takes_names

    async def estimate(self, body: bytes) -> Answer:
        """How many people an audience has at most, and how many of them can be reached."""
        given = read_estimate(body, tenants=self._tenants, takes_names=self._takes_names)
        tenant = str(given.tenant)
        found = await self._count(tenant, await self._audience(tenant, given))
        keys = sorted({key for part in found.parts for key in part.sample.keys})
        recipients = await self._lookup.recipients(tenant, keys)
        most = at_most(found.parts)
        expected = expect(found.parts, {one.key: prospect_of(one) for one in recipients})
        document = {
            "tenant": tenant,
            "at_most": most,
            "sources": [_described(part) for part in found.parts],
            "reachable": expected[Prospect.REACHABLE],
            "to_install": expected[Prospect.TO_INSTALL],
            "sampled": sampled(found.parts),
            "unknown": list(found.unknown),
            "estimated_seconds": (
                None if self._pace is None or most is None else math.ceil(requests_for(expected) / self._pace)
            ),
        }
        return json_answer(HTTPStatus.OK, document)

    async def _audience(self, tenant: str, given: EstimateBody) -> Audience:
        """The whole audience, with its saved ones. Raises InvalidRequest."""
        named = read_audience(given.audience)
        await self._snapshots.check_source(tenant, named)
        audience = await self._snapshots.whole(tenant, named, read_saved(given.audience))
        if (number := len(audience.groups) + len(audience.except_groups)) > MOST_GROUPS:
            detail = (
                f"an estimate takes up to {MOST_GROUPS} groups, those of saved audiences and of except among them, and "
                f"these are {number:,}: a dry run takes them all"
            )
            raise InvalidRequest([Fault(pointer="/audience/groups", detail=detail)])
        return audience

    async def _count(self, tenant: str, audience: Audience) -> Parts:
        try:
            return await self._counts.read(tenant, audience)
        except DirectoryUnavailable as error:
            raise directory_away(error) from error
        except DirectoryRefused as error:
            raise directory_refused(error, of_groups=bool(audience.groups or audience.except_groups)) from error


def _described(part: Part) -> dict[str, Any]:
    return {"source": part.source, "id": part.id, "count": part.count, "counted": part.counted}
