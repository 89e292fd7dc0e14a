"""What registry lookups need of the world, as contracts."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from gateway.registries.model import RegistryRecord, RegistrySubject


class RegistryUnavailableError(Exception):
    """No trustworthy answer came in time: refused, timed out, broken, or about somebody else."""

    def __init__(self, cause: str, *, retry_after_seconds: float = 1.0) -> None:
        """`cause` is for the log and holds no citizen's data."""
        super().__init__(cause)
        self.cause = cause
        self.retry_after_seconds = retry_after_seconds


class Registry(Protocol):
    """One specialised registry."""

    async def find(self, subject: RegistrySubject, *, timeout_seconds: float) -> RegistryRecord:
        """What it holds under a number, as of now; `record` is None where it holds nothing.

        Raises `RegistryUnavailableError` and nothing else. MUST NOT return a record that is not about the subject.
        """


class RegistryCache(Protocol):
    """Copies of registries' records. Losing it costs time, never correctness: no method raises."""

    async def get(self, registry: str, subject: RegistrySubject) -> RegistryRecord | None:
        """A copy that was put and has not outlived its time; None otherwise.

        MUST NOT return a record of another registry or subject.
        """

    async def put(self, record: RegistryRecord, *, lifetime: timedelta) -> None:
        """Keep a copy until `lifetime` after its `data_as_of`. MUST NOT replace a copy of a later state."""


class RegistryObserver(Protocol):
    """Told of a registry's breaker, for metrics. MUST NOT raise and MUST NOT block."""

    def breaker(self, *, registry: str, is_open: bool) -> None:
        """The registry is not asked for a while, or is asked again."""
