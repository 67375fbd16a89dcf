"""Whether a person can be written to."""

import pytest

from shared.domain.reachability import Reach, reach_of
from shared.domain.references import reference_of

EARLIER, LATER = "2026-05-01T00:00:00.000000+00:00", "2026-05-02T00:00:00.000000+00:00"


@pytest.mark.parametrize(
    ("values", "reach"),
    [
        # An activity brought the chat.
        ({"conversation": "a:1", "state": "active"}, Reach.ACTIVE),
        # A chat that Herald created itself has no state.
        ({"conversation": "a:1"}, Reach.ACTIVE),
        ({"conversation": "a:1", "state": "blocked", "changed_at": LATER, "seen_at": EARLIER}, Reach.BLOCKED),
        ({"conversation": "a:1", "state": "uninstalled", "changed_at": LATER}, Reach.UNINSTALLED),
        # Who writes after a block has the bot again.
        ({"conversation": "a:1", "state": "blocked", "changed_at": EARLIER, "seen_at": LATER}, Reach.ACTIVE),
        # The chat is gone, and no activity has brought another one.
        ({"conversation": "", "state": "active"}, Reach.NO_CONVERSATION),
        # A block is a block, with a chat or without.
        ({"state": "blocked"}, Reach.BLOCKED),
    ],
)
def test_reach_follows_state_and_conversation(values: dict[str, str], reach: Reach) -> None:
    assert reach_of(reference_of(values)) is reach
