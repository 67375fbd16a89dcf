"""Recorded answers of the Bot Connector and what each one says.

The samples are those of https://learn.microsoft.com/microsoftteams/platform/bots/build-conversational-capability and
of https://learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations/send-proactive-messages.
"""

import orjson
import pytest
from multidict import CIMultiDict

from shared.teams.answers import BY_CODE, BY_STATUS, Answer, Verdict, decipher_create, decipher_send


def error(code: str, message: str = "...") -> bytes:
    """A refusal in the shape of most answers."""
    return orjson.dumps({"error": {"code": code, "message": message}})


BLOCKED_209 = (
    b'{"errorCode": 209, "message": "{\\r\\n  \\"subCode\\": \\"MessageWritesBlocked\\",\\r\\n  \\"details\\": '
    b'\\"Thread is not present. User may have blocked the bot.\\",\\r\\n  \\"errorCode\\": null,\\r\\n  '
    b'\\"errorSubCode\\": null\\r\\n}"}'
)

REFUSALS = [
    # A payload that Teams cannot read.
    (400, error("Bad Argument", "Unknown activity type"), Verdict.REJECTED, "Bad Argument"),
    # A bot without a registration for Teams.
    (401, error("BotNotRegistered", "No registration found for this bot."), Verdict.UNAUTHORIZED, "BotNotRegistered"),
    # A token that is not accepted: the Connector's front door says so without a code of its own.
    (401, b'{"message":"Authorization has been denied for this request."}', Verdict.UNAUTHORIZED, "401"),
    # An admin's app policy keeps the bot from the person.
    (403, error("BotDisabledByAdmin", "The tenant admin disabled this bot"), Verdict.BLOCKED_BY_ADMIN, None),
    # The bot was removed from the conversation.
    (403, error("BotNotInConversationRoster", "The bot is not part of..."), Verdict.NOT_INSTALLED, None),
    # The person blocked the bot.
    (403, error("ConversationBlockedByUser", "User blocked the conversation..."), Verdict.BLOCKED_BY_USER, None),
    # A conversation was to be created with someone who does not have the app.
    (403, error("ForbiddenOperationException", "Bot is not installed in..."), Verdict.NOT_INSTALLED, None),
    # The second shape, with JSON inside of a string.
    (403, BLOCKED_209, Verdict.BLOCKED_BY_USER, "MessageWritesBlocked"),
    # The second shape with an inner text that is not JSON.
    (403, b'{"errorCode": 209, "message": "User may have blocked the bot."}', Verdict.BLOCKED_BY_USER, "209"),
    # The public host was called for a GCC tenant.
    (403, error("InvalidBotApiHost", "Invalid bot api host. For GCC..."), Verdict.WRONG_HOST, None),
    # A resource-specific permission is missing.
    (403, error("NotEnoughPermissions", "{scenario specific message}"), Verdict.BLOCKED_BY_ADMIN, None),
    # Codes are compared in any letter case.
    (403, error("botnotinconversationroster"), Verdict.NOT_INSTALLED, None),
    # A code that the page does not know is not retried.
    (403, error("SomethingNew"), Verdict.REJECTED, "SomethingNew"),
    # A message to edit or delete is gone.
    (404, error("ActivityNotFoundInConversation"), Verdict.REJECTED, "ActivityNotFoundInConversation"),
    # The conversation does not exist.
    (404, error("ConversationNotFound", "Conversation not found."), Verdict.CONVERSATION_GONE, None),
    # A 404 of some gateway says nothing about the conversation.
    (404, b"<html>Not found</html>", Verdict.REJECTED, "404"),
    # Two operations met in one conversation.
    (412, error("PreconditionFailed", "Precondition failed, please try again."), Verdict.BUSY, None),
    # The message is too large.
    (413, error("MessageSizeTooBig", "Message size too large."), Verdict.TOO_LARGE, None),
    # Too many requests.
    (429, error("Throttled", "Too many requests."), Verdict.THROTTLED, None),
    # An internal error of the service.
    (500, error("ServiceError"), Verdict.SERVICE_ERROR, None),
    # A 5xx that the page does not know is not retried either.
    (501, b"", Verdict.SERVICE_ERROR, "501"),
    # A dependency of the service failed.
    (502, error("ServiceError", "Service dependency error."), Verdict.FAILED_MAYBE, None),
    # The service is unavailable, without a body.
    (503, b"", Verdict.BUSY, "503"),
    # The gateway waited in vain.
    (504, b"<html>Gateway Timeout</html>", Verdict.FAILED_MAYBE, "504"),
    # A redirect is not followed, so the message was not taken.
    (307, b"", Verdict.REJECTED, "307"),
    # JSON that is no object, and an error that is a text, have no code.
    (400, b'["Bad Argument"]', Verdict.REJECTED, "400"),
    (400, b'{"error": "Bad Argument"}', Verdict.REJECTED, "400"),
]


@pytest.mark.parametrize(("status", "body", "kind", "code"), REFUSALS)
@pytest.mark.parametrize("decipher", [decipher_send, decipher_create])
def test_refusals_are_told_apart(decipher: object, status: int, body: bytes, kind: Verdict, code: str | None) -> None:
    answer = decipher(status, CIMultiDict(), body)  # type: ignore[operator]  # Both functions are deciphers.

    assert answer.kind is kind
    assert code is None or answer.code == code


def test_every_row_of_the_tables_has_a_recorded_answer() -> None:
    seen = {(status, decipher_send(status, {}, body).code.lower()) for status, body, _, _ in REFUSALS}

    assert BY_CODE.keys() <= seen
    assert BY_STATUS.keys() <= {status for status, _ in seen}


ACCEPTED = [
    # A message in a conversation brings its id.
    (decipher_send, 201, b'{"id":"1732200000001"}', Answer(kind=Verdict.ACCEPTED, activity_id="1732200000001")),
    # Teams split the message in two and names neither.
    (decipher_send, 201, b"{}", Answer(kind=Verdict.ACCEPTED)),
    # A delete is answered without a body.
    (decipher_send, 200, b"", Answer(kind=Verdict.ACCEPTED)),
    # The message was accepted, whatever else the body holds.
    (decipher_send, 202, b"accepted", Answer(kind=Verdict.ACCEPTED)),
    # A chat with a person brings its conversation id alone.
    (decipher_create, 201, b'{"id":"a:1pQ"}', Answer(kind=Verdict.ACCEPTED, conversation_id="a:1pQ")),
    # A thread in a channel brings the id of its first message too.
    (
        decipher_create,
        201,
        b'{"id":"19:c@thread.tacv2;messageid=17","activityId":"17"}',
        Answer(kind=Verdict.ACCEPTED, conversation_id="19:c@thread.tacv2;messageid=17", activity_id="17"),
    ),
]


@pytest.mark.parametrize(("decipher", "status", "body", "expected"), ACCEPTED)
def test_accepted_answers_bring_their_ids(decipher: object, status: int, body: bytes, expected: Answer) -> None:
    assert decipher(status, CIMultiDict(), body) == expected  # type: ignore[operator]  # Both are deciphers.


PAUSES = [
    # The documented form: whole seconds.
    ({"Retry-After": "7"}, 7.0),
    # A fraction, which proxies write.
    ({"Retry-After": "0.5"}, 0.5),
    # An HTTP date is measured against the answer's own Date.
    ({"Retry-After": "Sat, 21 Nov 2026 10:00:30 GMT", "Date": "Sat, 21 Nov 2026 10:00:00 GMT"}, 30.0),
    # A date that has passed means now.
    ({"Retry-After": "Sat, 21 Nov 2026 09:00:00 GMT", "Date": "Sat, 21 Nov 2026 10:00:00 GMT"}, 0.0),
    # A date without anything to measure it against tells nothing.
    ({"Retry-After": "Sat, 21 Nov 2026 10:00:30 GMT"}, None),
    # Nonsense tells nothing.
    ({"Retry-After": "soon", "Date": "today"}, None),
    ({"Retry-After": "-5"}, None),
    ({"Retry-After": "inf"}, None),
    # The header is not guaranteed.
    ({}, None),
]


@pytest.mark.parametrize(("headers", "seconds"), PAUSES)
def test_retry_after_is_read_as_seconds(headers: dict[str, str], seconds: float | None) -> None:
    answer = decipher_send(429, CIMultiDict(headers), error("Throttled"))

    assert answer.retry_after == seconds
