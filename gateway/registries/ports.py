"""What registry lookups need of the world, as contracts."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from gateway.registries.model import RegistryRecord, RegistrySubject
from gateway.upstream.failures import UpstreamUnavailableError
from gateway.upstream.patience import Patience

RegistryUnavailableError = UpstreamUnavailableError
"""The name under which the use cases know it: each registry is the upstream they speak of."""


class Registry(Protocol):
    """One specialised registry."""

    async def find(self, subject: RegistrySubject, patience: Patience) -> RegistryRecord:
        """What it holds under a number, as of this call or later; `record` is None where it holds nothing.

        Raises `RegistryUnavailableError` and nothing else. MUST NOT return a record that is not about the subject, and
        MUST NOT send a question for which nobody has `patience` any more.
        """


class RegistryCache(Protocol):
    """Copies of registries' records. Losing it costs time, never correctness: no method raises."""

    async def get(self, registry: str, subject: RegistrySubject) -> RegistryRecord | None:
        """A copy that was put and has not outlived its time; None otherwise.

        MUST NOT return a record of another registry or subject.
        """

    async def put(self, record: RegistryRecord, *, lifetime: timedelta) -> None:
        """Keep a copy until `lifetime` after its `data_as_of`. MUST NOT replace a copy of a later state."""
