"""The fixture `postgres`, for test modules that say `pytest_plugins = ["harness.postgres_plugin"]`."""

from collections.abc import Iterator

import pytest
from harness.postgres import PostgresServer, postgres_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The one server of this run. A test that stops it starts it again."""
    with postgres_server(fsync=False) as server:
        yield server
