"""The one HTTP transport of all storage clients: a deadline for each try, and storage's clock from every answer."""

import asyncio
from io import BytesIO
from typing import Any

from azure.core.exceptions import HttpResponseError, ServiceResponseError, ServiceResponseTimeoutError
from azure.core.pipeline.transport import AioHttpTransport

from shared.storage.clock import StorageClock

TRY_SECONDS = 5.0
TRIES = 3
BACKOFF_SECONDS = 0.25
LARGE_BODY_BYTES = 1024 * 1024

ALL_METHODS = frozenset({"GET", "PUT", "DELETE", "POST", "PATCH"})
"""azure-core does not repeat a POST or a PATCH whose answer was lost, and a connection that storage closed while it was
idle looks like that. Herald's writes bear a repetition: its callers read a row again after a conflict."""


class ClockedTransport(AioHttpTransport):  # type: ignore[misc]  # azure-core exports it lazily, so without its type.
    """aiohttp below the Azure clients. The session opens with the first call and belongs to that call's event loop."""

    def __init__(self, clock: StorageClock, *, try_seconds: float = TRY_SECONDS) -> None:
        # Proxy variables and netrc would be looked up again for each request: a third of a call's CPU.
        super().__init__(use_env_settings=False, connection_timeout=try_seconds, read_timeout=try_seconds)
        self._clock = clock
        self._try_seconds = try_seconds

    async def send(self, request: Any, *, stream: bool = False, **config: Any) -> Any:  # noqa: ARG002
        """Do one try. The body is always read here, so that a lost body is repeated and timed like a lost answer."""
        sent = self._clock.local()
        try:
            async with asyncio.timeout(self._try_seconds):
                response = await super().send(request, stream=False, **config)
        except TimeoutError as error:
            raise ServiceResponseTimeoutError(f"no answer within {self._try_seconds} s", error=error) from error
        except HttpResponseError as error:
            # azure-core says so of half an answer. It has no status, which the table client stumbles over.
            raise ServiceResponseError(f"half an answer: {error.message}", error=error) from error
        self._clock.observe(sent=sent, received=self._clock.local(), date=response.headers.get("Date"))
        return response

    def _get_request_data(self, request: Any) -> Any:
        """Hand large bodies over as a stream: aiohttp warns of bytes above 1 MiB, as it writes them in one piece."""
        data = super()._get_request_data(request)
        if isinstance(data, str):
            data = data.encode()
        return BytesIO(data) if isinstance(data, bytes) and len(data) > LARGE_BODY_BYTES else data
