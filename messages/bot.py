"""What the bot says when it is spoken to: little, because it speaks when there is something to tell."""

from botbuilder.core import TurnContext
from botbuilder.core.teams import TeamsActivityHandler
from botbuilder.schema import Activity

REPLY = (
    "I bring messages from your organisation: news, reminders and digests. "
    "I write when there is something for you; you need not do anything here."
)


class HeraldBot(TeamsActivityHandler):  # type: ignore[misc]  # The SDK ships no types.
    """Routes activities. Where Herald may speak was kept before; nothing here calls Teams, except for a reply."""

    async def on_message_activity(self, turn_context: TurnContext) -> None:
        """Answer what a person wrote, once; in channels and group chats only to those who address the bot."""
        activity = turn_context.activity
        # A card's button posts a message without text: it is not a question.
        if activity.text and (_is_personal(activity) or _is_addressed(activity)):
            await turn_context.send_activity(REPLY)

    async def on_conversation_update_activity(self, turn_context: TurnContext) -> None:
        """Say nothing. The SDK's own routing asks Teams for each new member, which costs a call and brings nothing."""


def _is_personal(activity: Activity) -> bool:
    return bool(activity.conversation.conversation_type == "personal")


def _is_addressed(activity: Activity) -> bool:
    mentions = TurnContext.get_mentions(activity)
    return any(each.additional_properties.get("mentioned", {}).get("id") == activity.recipient.id for each in mentions)
