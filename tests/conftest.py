"""What every test has: Azurite on demand, and no way out to the network."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from pytest_socket import disable_socket, socket_allow_hosts

from localhost.azurite import Azurite

# No property is a matter of milliseconds: a machine may be busy with something else.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

_UNIT_TESTS = Path(__file__).parent / "unit"


@pytest.hookimpl(trylast=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give unit tests no sockets and all others loopback only; an event loop needs a Unix socket of its own."""
    if item.path.is_relative_to(_UNIT_TESTS):
        disable_socket(allow_unix_socket=True)
        return
    socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


@pytest.fixture(scope="session")
def azurite() -> Iterator[str]:
    """The connection string of an Azurite that serves the whole test session; tests take names of their own."""
    with Azurite() as running:
        yield running.connection_string
