"""The settings of people's mailboxes: the time zone alone.

Source: https://learn.microsoft.com/graph/api/user-get-mailboxsettings. The documentation lists no errors; those here
are what callers have reported, such as https://github.com/microsoftgraph/microsoft-graph-docs-contrib/issues/6519.
"""

from simulator.calls import Answer
from simulator.graph.call import GraphCall
from simulator.graph.errors import GraphError
from simulator.graph.holders import person_of
from simulator.places import Person
from simulator.world import World

WINDOWS_NAMES = {
    "America/Los_Angeles": "Pacific Standard Time",
    "America/New_York": "Eastern Standard Time",
    "America/Sao_Paulo": "E. South America Standard Time",
    "Asia/Kolkata": "India Standard Time",
    "Asia/Tokyo": "Tokyo Standard Time",
    "Australia/Sydney": "AUS Eastern Standard Time",
    "Europe/Berlin": "W. Europe Standard Time",
    "Europe/London": "GMT Standard Time",
    "Europe/Paris": "Romance Standard Time",
}
"""A mailbox is given Windows' names unless an administrator has chosen the others."""


def time_zone(world: World, call: GraphCall) -> Answer:
    """`GET /users/{id}/mailboxSettings/timeZone`."""
    try:
        person = person_of(world, call)
    except GraphError as error:
        text = f"The requested user '{call.params['user']}' is invalid."
        raise GraphError(404, "ErrorInvalidUser", text) from error
    if not _has_mailbox(person):
        text = "The mailbox is either inactive, soft-deleted, or is hosted on-premise."
        raise GraphError(404, "MailboxNotEnabledForRESTAPI", text)
    context = f"{world.login_url}/v1.0/$metadata#users('{person.object_id}')/mailboxSettings/timeZone"
    zone = person.mailbox_zone or WINDOWS_NAMES.get(person.zone, person.zone)
    return Answer(200, {"@odata.context": context, "value": zone})


def _has_mailbox(person: Person) -> bool:
    """A guest's mailbox is at home, and without a licence there is none."""
    return person.mailbox and person.licensed and not person.guest
