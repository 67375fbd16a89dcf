"""The time zones of people's mailboxes, all of it pure: the request, and what its answer tells.

Source: https://learn.microsoft.com/graph/api/user-get-mailboxsettings
"""

from shared.domain.pages import Trouble
from shared.domain.windows_zones import iana_zone
from shared.graph.directory import trouble_of
from shared.graph.kinds import Kind
from shared.graph.protocol import Request, Response, path_segment, text_in


def ask_zone(object_id: str) -> Request:
    """Ask for the zone of a person's mailbox: that setting alone."""
    path = f"/users/{path_segment(object_id)}/mailboxSettings/timeZone"
    return Request(method="GET", path=path, kind=Kind.MAILBOX)


def zone_in(response: Response) -> str | None:
    """The IANA zone that the mailbox tells; None where it tells none that is known, and where there is no answer.

    Graph answers `{"value": "W. Europe Standard Time"}`, or an IANA name where an admin set the zones up so. People
    without a mailbox in Exchange Online are a 404, among them guests: `MailboxNotEnabledForRESTAPI`,
    `ResourceNotFound` or `ErrorInvalidUser`.
    """
    return iana_zone(text_in(response.body, "value")) if response.is_success else None


def is_refused(response: Response) -> bool:
    """Whether the app may not read the mailbox.

    The code is `ErrorAccessDenied` for everybody where `MailboxSettings.Read` is missing, and for some where Exchange
    limits the app to a part of its mailboxes (https://learn.microsoft.com/graph/auth-limit-mailbox-access). Some have
    also been refused for no known reason: https://github.com/microsoftgraph/msgraph-sdk-dotnet/issues/2141.
    """
    return not response.is_success and trouble_of(response) is Trouble.REFUSED
