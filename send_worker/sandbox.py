"""The sandbox: stands in for Teams, and for what Herald remembers of it, in broadcasts that only rehearse.

Everything before the call is real: slots, intents, journal, the request itself and the check of its host. Nothing
leaves, and nothing is learned about anybody.
"""

from collections.abc import Collection
from uuid import uuid4

from shared.errors import ServiceHostRefused
from shared.teams.answers import Answer, Verdict
from shared.teams.protocol import Request, is_trusted


class Sandbox:
    """Takes every request and accepts it. The record is the broadcast's own journal, with ids that begin `sandbox-`."""

    def __init__(self, service_hosts: Collection[str]) -> None:
        self._service_hosts = service_hosts

    async def send(self, request: Request) -> Answer:
        """Accept. Raises ServiceHostRefused, as a real call would."""
        if not is_trusted(request.url, self._service_hosts):
            raise ServiceHostRefused(request.url)
        name = f"sandbox-{uuid4().hex}"
        return Answer(kind=Verdict.ACCEPTED, activity_id=name, conversation_id=name)

    async def authorize(self) -> None:
        """No token is needed."""

    async def take(self, *_: object, **__: object) -> float:
        """No conversation's windows are used up: zero seconds to wait."""
        return 0.0

    async def learn_nothing(self, *_: object, **__: object) -> None:
        """No chat was created, nobody moved, blocked or removed the bot."""

    keep_created = move = forget_conversation = mark = learn_nothing
