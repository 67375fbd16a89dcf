"""What each recipient of a broadcast is told: one message for all, or of a digest a letter of their own."""

from collections.abc import Callable

from shared.domain.batches import Recipient
from shared.domain.broadcasts import Broadcast
from shared.domain.digest_cards import digest_card, digest_summary
from shared.domain.letters import unpack_letter, unpack_sheet
from shared.teams.protocol import encode_message

Wording = Callable[[Recipient], bytes]
"""The encoded activity for a recipient; empty where a message is taken back."""


def wording_of(broadcast: Broadcast, message: bytes) -> Wording:
    """The wording of a broadcast, of which `message` is the encoded activity, or the sheet of a digest."""
    if not broadcast.digest or not message:
        return lambda _: message
    sheet = unpack_sheet(message)

    def write(recipient: Recipient) -> bytes:
        letter = unpack_letter(recipient.letter)
        return encode_message(card=digest_card(sheet, letter), summary=digest_summary(sheet, letter))

    return write
