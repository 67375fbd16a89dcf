"""The Connector's documented refusals: status, code, wording and the shapes of their bodies.

Source: "Status codes from bot conversational APIs" in Microsoft's page "Build conversational capability"
(https://learn.microsoft.com/microsoftteams/platform/bots/build-conversational-capability).
"""

import json
from enum import StrEnum
from typing import Any


class Shape(StrEnum):
    """How a refusal's body is written."""

    ERROR = "error"  # {"error": {"code", "message"}}
    NUMBERED = "numbered"  # {"errorCode": 209, "message": "<JSON in a string>"}
    PLAIN = "plain"  # {"message"}, as the gateway before the service answers
    EMPTY = "empty"  # no body at all


DOCUMENTED: dict[str, tuple[int, str]] = {
    "Bad Argument": (400, "The request is malformed."),
    "Unauthorized": (401, "Authorization has been denied for this request."),
    "BotNotRegistered": (401, "No registration found for this bot."),
    "BotDisabledByAdmin": (403, "The tenant admin disabled this bot."),
    "BotNotInConversationRoster": (403, "The bot is not part of the conversation roster."),
    "ConversationBlockedByUser": (403, "User blocked the conversation with the bot."),
    "ForbiddenOperationException": (403, "Bot is not installed in user's personal scope."),
    "MessageWritesBlocked": (403, "User blocked the conversation with the bot."),
    "InvalidBotApiHost": (403, "Invalid bot api host. For GCC tenants, please call the GCC host."),
    "NotEnoughPermissions": (403, "The bot does not have the required permissions."),
    "ActivityNotFoundInConversation": (404, "The message ID provided couldn't be found in the conversation."),
    "ConversationNotFound": (404, "Conversation not found."),
    "PreconditionFailed": (412, "Precondition failed, please try again."),
    "MessageSizeTooBig": (413, "Message size too large."),
    "Throttled": (429, "Too many requests."),
    "ServiceError": (502, "Service dependency error."),
}


class Refusal(Exception):
    """A call that is answered with an error status; `retry_after` is in seconds."""

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        shape: Shape | None = None,
    ) -> None:
        documented_status, documented_message = DOCUMENTED.get(code, (500, "Unknown error."))
        super().__init__(code)
        self.code = code
        self.status = status or documented_status
        self.message = message or documented_message
        self.retry_after = retry_after
        self.shape = shape or (Shape.NUMBERED if code == "MessageWritesBlocked" else Shape.ERROR)

    def body(self) -> dict[str, Any] | None:
        """The body as the Connector writes it; the numbered shape hides its JSON in a string."""
        if self.shape is Shape.EMPTY:
            return None
        if self.shape is Shape.PLAIN:
            return {"message": self.message}
        if self.shape is Shape.ERROR:
            return {"error": {"code": self.code, "message": self.message}}
        inner = {"subCode": self.code, "details": self.message, "errorCode": None, "errorSubCode": None}
        return {"errorCode": 209, "message": json.dumps(inner, indent=2).replace("\n", "\r\n")}

    def headers(self) -> dict[str, str]:
        if self.retry_after is None:
            return {}
        return {"Retry-After": f"{self.retry_after:g}"}
