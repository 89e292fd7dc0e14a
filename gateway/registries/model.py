"""The nouns of registries: what is asked about, and what a registry told of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from google.protobuf.message import Message

from gateway.model import CitizenNumber


@dataclass(frozen=True, slots=True)
class EnterpriseCode:
    """A syntactically valid code of an enterprise. Public: it may stand in records and logs."""

    digits: str


RegistrySubject: TypeAlias = CitizenNumber | EnterpriseCode


@dataclass(frozen=True, slots=True, repr=False)
class RegistryRecord:
    """What one registry holds under a number, or the fact that it holds nothing.

    `record` is None for the latter. Times are seconds since the epoch. Instances are shared between calls: nobody
    changes the message.
    """

    registry: str
    subject: RegistrySubject
    record: Message | None
    version: int
    data_as_of: float
    fetched_at: float

    def __repr__(self) -> str:
        held = "held" if self.record is not None else "not held"
        return f"RegistryRecord({self.registry}, {self.subject!r}, {held}, version={self.version})"
