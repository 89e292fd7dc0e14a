"""What several contracts are held against."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.postgres import RunningPostgres, running_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[RunningPostgres]:
    """One PostgreSQL for all tests; each takes a database of its own, and leaves the server running."""
    with running_postgres() as server:
        yield server
