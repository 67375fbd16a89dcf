"""Where the bot may speak: what a conversation id leads to, and whether the app is installed there."""

from simulator.calls import Call
from simulator.places import Place
from simulator.refusals import Refusal
from simulator.world import World


def accessible_place(world: World, call: Call) -> Place:
    """The conversation of the call; refuses an unknown one, and one where the app is not installed (any more)."""
    place = call.place
    if place is None or (place.person is not None and not place.person.chat_known):
        raise Refusal("ConversationNotFound")
    require_access(world, place)
    return place


def require_access(world: World, place: Place) -> None:
    """Refuse a place without the app. A person has it personally, or in a team once the 1:1 chat is open."""
    person = place.person
    if person is not None:
        if person.chat_open and (person.installed or world.directory.shares_team(person)):
            return
        raise Refusal(person.refusal)
    owner = place.team or place.chat
    if owner is None or not owner.installed:
        raise Refusal("BotNotInConversationRoster")
