"""People by sign-in name (UPN) or mail, all of it pure: the requests, and whom the answers bring.

Source: https://learn.microsoft.com/graph/api/user-list, and the table of filters in
https://learn.microsoft.com/graph/aad-advanced-queries.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from urllib.parse import quote

from shared.domain.pages import Trouble
from shared.domain.recipients import OBJECT_ID
from shared.graph.directory import trouble_of
from shared.graph.kinds import Kind
from shared.graph.protocol import Request, Response, odata_text

MOST_NAMES = 15
"""Values that Graph takes in one `in`."""


class NameKind(StrEnum):
    """By what a person is looked for. Its value is Graph's name of the property."""

    UPN = "userPrincipalName"
    MAIL = "mail"


def find_people(names: Sequence[str], *, by: NameKind) -> Request:
    """Ask for the people with these names, at most 15. Raises ValueError for more."""
    if len(names) > MOST_NAMES:
        raise ValueError(f"Graph looks for {MOST_NAMES} names at once, not {len(names)}")
    values = quote(",").join(map(odata_text, names))
    path = f"/users?$select=id,{by}&$filter={by}{quote(' in (')}{values}{quote(')')}"
    return Request(method="GET", path=path, kind=Kind.DIRECTORY)


def ids_in(response: Response, *, by: NameKind) -> Mapping[str, str] | Trouble:
    """The object id for each name that was found, both in lower case; else why nobody can tell.

    A mail that stands with several people is nobody's: none of them is chosen by chance.
    """
    if not response.is_success:
        trouble = trouble_of(response)
        return Trouble.REFUSED if trouble is Trouble.NOT_FOUND else trouble
    values = response.body.get("value")
    if not isinstance(values, list):
        return Trouble.WAITING
    found: dict[str, set[str]] = {}
    for one in values:
        name, object_id = str(one.get(by) or "").lower(), str(one.get("id") or "").lower()
        if name and OBJECT_ID.fullmatch(object_id):
            found.setdefault(name, set()).add(object_id)
    return {name: ids.pop() for name, ids in found.items() if len(ids) == 1}
