"""Rehearsals: what is to be expected of each recipient, and how many requests all of them take."""

import pytest

from shared.domain.batches import Recipient
from shared.domain.rehearsals import Prospect, add_prospects, prospect_of, requests_for, unpack_prospects

KNOWN = Recipient(key="user!a", conversation="a:1", service_url="https://smba.test/")
BLOCKED = Recipient(key="user!b", conversation="a:2", service_url="https://smba.test/", is_blocked=True)
STRANGER = Recipient(key="user!c", service_url="https://smba.test/", lacks_app=True)
CHANNEL = Recipient(key="channel!19:a", conversation="19%3Aa", service_url="https://smba.test/")
NOBODY = Recipient(key="name!a@b.c", service_url="https://smba.test/")
NO_TEAM = Recipient(key="team!d", service_url="https://smba.test/")
NO_CHANNEL = Recipient(key="channel_name!19:a%2Fsales", service_url="https://smba.test/")


@pytest.mark.parametrize(
    ("recipient", "prospect", "requests"),
    [
        (KNOWN, Prospect.REACHABLE, 1),  # A chat is known.
        (CHANNEL, Prospect.REACHABLE, 1),  # A channel is its own conversation.
        (BLOCKED, Prospect.BLOCKED, 1),  # One try is made all the same.
        (STRANGER, Prospect.TO_INSTALL, 2),  # The app has to be installed first.
        (NOBODY, Prospect.NOT_FOUND, 0),  # A name that nobody has.
        (NO_TEAM, Prospect.GONE, 0),  # A group without a team.
        (NO_CHANNEL, Prospect.GONE, 0),  # A name that no channel has.
    ],
)
def test_each_recipient_has_its_prospect_and_its_requests(
    recipient: Recipient, prospect: Prospect, requests: int
) -> None:
    counts = unpack_prospects(add_prospects("reachable=10", [recipient, recipient]))

    assert prospect_of(recipient) is prospect
    assert requests_for(counts) == 10 + 2 * requests
