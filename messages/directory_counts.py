"""The parts of an audience that Microsoft Graph counts: members of groups, and everybody of the tenant.

Of each the number is asked for, and the first page: that is everybody where no other page follows, else a sample.
"""

from collections.abc import Sequence

from shared.domain.audience import Audience
from shared.domain.estimates import Counted, Part, Sample
from shared.domain.pages import Trouble
from shared.domain.recipients import RecipientKind, recipient_key
from shared.errors import DirectoryRefused
from shared.graph.counts import count_everybody, count_in, count_members_of, count_people_in, is_cast_refused
from shared.graph.directory import everybody, members_of, people_in
from shared.graph.directory_calls import DirectoryCalls
from shared.graph.protocol import Response


class DirectoryCounts:
    """Asks Graph. All methods raise DirectoryError, and StorageError of the pace."""

    def __init__(self, calls: DirectoryCalls) -> None:
        self._calls = calls

    async def parts(self, tenant: str, audience: Audience) -> tuple[list[Part], list[str]]:
        """The parts, and the groups that are not there."""
        # The whole tenant stands among the groups without an id.
        asked = [*audience.groups, *([""] if audience.everyone_in_tenant else [])]
        requests = [members_of(one) if one else everybody() for one in asked]
        counts = await self._counts(tenant, asked)
        pages = await self._calls.send(tenant, requests)
        parts, unknown = list[Part](), list[str]()
        for one, (count, counted), request, page in zip(asked, counts, requests, pages, strict=True):
            number, sample = self._number(tenant, count), self._sample(tenant, page, counted)
            if number is None or sample is None:
                if not one:
                    raise DirectoryRefused("404")
                unknown.append(one)
                continue
            # Without another page this is everybody, whatever the index of the counts has learned by now.
            is_whole = not self._calls.link_in(request, page)
            parts.append(
                Part(
                    source="groups" if one else "tenant",
                    id=one or None,
                    count=sample.size if is_whole else max(number, sample.size),
                    counted=counted,
                    sample=sample,
                )
            )
        return parts, unknown

    async def unknown_in(self, tenant: str, groups: Sequence[str]) -> list[str]:
        """Those of the groups that are not there."""
        answers = [count for count, _ in await self._counts(tenant, groups)]
        return [one for one, answer in zip(groups, answers, strict=True) if self._number(tenant, answer) is None]

    async def _counts(self, tenant: str, asked: Sequence[str]) -> list[tuple[Response, Counted]]:
        """The answers with the counts, and what they count: all members where Graph cannot count people alone."""
        answers = await self._calls.send(tenant, [count_people_in(one) if one else count_everybody() for one in asked])
        refused = [place for place, answer in enumerate(answers) if asked[place] and is_cast_refused(answer)]
        again = await self._calls.send(tenant, [count_members_of(asked[place]) for place in refused])
        second = dict(zip(refused, again, strict=True))
        return [
            (second[place], Counted.MEMBERS) if place in second else (answer, Counted.PEOPLE)
            for place, answer in enumerate(answers)
        ]

    def _number(self, tenant: str, answer: Response) -> int | None:
        """The number in an answer; None where there is no such group."""
        number = count_in(answer)
        if number is Trouble.NOT_FOUND:
            return None
        if isinstance(number, Trouble):
            self._calls.fail(tenant, number, answer)
        return number

    def _sample(self, tenant: str, page: Response, counted: Counted) -> Sample | None:
        """The people on a first page, among all that is counted; None where there is no such group."""
        people = people_in(page, by_link=False)
        if people is Trouble.NOT_FOUND:
            return None
        if isinstance(people, Trouble):
            self._calls.fail(tenant, people, page)
        size = len(people.members) + len(people.skipped) if counted is Counted.PEOPLE else len(page.body["value"])
        return Sample(keys=[recipient_key(RecipientKind.USER, one) for one in people.members], size=size)
