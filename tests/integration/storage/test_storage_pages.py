"""Pages as Azure may cut them, short or empty with a token, which Azurite never does."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from shared.storage.tables import AzureTable
from tests.twins.storage_servers import account_at, connection_string_of

PAGES = [["a"], [], ["b", "c"], [], [], ["d"], []]


class PagedServer:
    """Answers the n-th page to the token n, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query))
        page = int(request.query.get("NextRowKey", "0"))
        entities = [
            {"odata.etag": f'W/"{key}"', "RowKey": key, "Timestamp": "2026-01-01T00:00:00.1234567Z", "n": None}
            for key in PAGES[page]
        ]
        headers = {"Date": f"Thu, 01 Jan 2026 00:00:{page:02} GMT"}
        if page + 1 < len(PAGES):
            headers |= {"x-ms-continuation-NextPartitionKey": "p", "x-ms-continuation-NextRowKey": str(page + 1)}
        return web.json_response({"value": entities}, headers=headers)


@pytest.fixture
def server() -> PagedServer:
    return PagedServer()


@pytest.fixture
async def table(server: PagedServer) -> AsyncIterator[AzureTable]:
    app = web.Application()
    app.router.add_get("/{path:.*}", server.answer)
    async with TestServer(app) as running:
        account = account_at(connection_string_of(running.port or 0))
        yield account.table("Rows")
        await account.close()


async def test_scan_ends_where_no_token_comes_not_at_an_empty_page(table: AzureTable, server: PagedServer) -> None:
    keys = [row.key async for row in table.scan("p")]

    assert keys == ["a", "b", "c", "d"]
    assert len(server.asked) == len(PAGES)


async def test_limit_counts_rows_over_short_pages(table: AzureTable, server: PagedServer) -> None:
    keys = [row.key async for row in table.scan("p", limit=2)]

    assert keys == ["a", "b"]
    assert [query["$top"] for query in server.asked] == ["2", "2", "2"]


async def test_each_row_was_read_when_its_page_was_answered(table: AzureTable) -> None:
    rows = [row async for row in table.scan("p")]

    first = rows[0].read_at
    assert [row.read_at - first for row in rows] == [0, 2, 2, 5]
    assert rows[0].written_at - first == pytest.approx(0.123456, abs=1e-6)


async def test_nulls_and_an_absent_partition_key_are_borne(table: AzureTable) -> None:
    rows = [row async for row in table.scan("p", select=["n"])]

    assert [(row.partition, row.values) for row in rows] == [("p", {})] * 4


async def test_filter_names_the_range_with_quotes_doubled(table: AzureTable, server: PagedServer) -> None:
    async for _ in table.scan("p'", start="a'", end="b", select=["n"], limit=1):
        pass

    assert server.asked[0]["$filter"] == "PartitionKey eq 'p''' and RowKey ge 'a''' and RowKey lt 'b'"
    assert server.asked[0]["$select"] == "RowKey,Timestamp,n"


async def test_page_is_read_only_when_it_is_needed(table: AzureTable, server: PagedServer) -> None:
    scan = table.scan("p")

    assert (await anext(scan)).key == "a"
    assert len(server.asked) == 1
    await scan.aclose()  # type: ignore[attr-defined]  # The port promises an iterator; this one is a generator.
