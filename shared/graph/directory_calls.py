"""Calls to the directory: what keeps an answer from being of use becomes an error of ours."""

from collections.abc import Sequence
from typing import NoReturn, Protocol

from shared.domain.pages import Trouble
from shared.errors import DirectoryRefused, DirectoryUnavailable, ServiceHostRefused, TokenRefused, TokenUnavailable
from shared.graph.protocol import Request, Response

LONGEST_LINK = 30_000
"""Characters. A token is one property of the cursor's row, which takes 32 K; Graph's links have some hundreds."""


class Graph(Protocol):
    """What is needed of a `GraphClient`."""

    async def send_all(self, tenant: str, requests: Sequence[Request]) -> list[Response]:
        """Send requests and answer their responses, in their order."""

    def forget_token(self, tenant: str) -> None:
        """Get a new token with the next request."""

    def next_page(self, request: Request, response: Response) -> Request | None:
        """The request for the page after this one; None after the last."""


class DirectoryCalls:
    """Asks Graph. All methods raise DirectoryUnavailable and DirectoryRefused, and StorageError of the pace."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    async def send(self, tenant: str, requests: Sequence[Request]) -> list[Response]:
        """The answers, in the order of the requests."""
        try:
            return await self._graph.send_all(tenant, requests)
        except TokenUnavailable as error:
            raise DirectoryUnavailable("TokenUnavailable") from error
        except TokenRefused as error:
            raise DirectoryRefused("TokenRefused") from error

    def fail(self, tenant: str, trouble: Trouble, response: Response) -> NoReturn:
        """Raise what an answer of no use means. After a refusal the next request has a new token."""
        told = f"{response.status} {response.code}".strip()
        if trouble is Trouble.WAITING:
            raise DirectoryUnavailable(told, retry_after=response.retry_after)
        self._graph.forget_token(tenant)
        raise DirectoryRefused(told)

    def link_in(self, request: Request, response: Response) -> str:
        """The path of the page after this one; empty after the last."""
        try:
            following = self._graph.next_page(request, response)
        except ServiceHostRefused as error:
            raise DirectoryRefused("ServiceHostRefused") from error
        path = following.path if following else ""
        if len(path) > LONGEST_LINK:
            raise DirectoryRefused("LinkTooLong")
        return path
