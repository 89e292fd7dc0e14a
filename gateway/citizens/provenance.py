"""What callers are told of where an answer came from and how old it is, of citizens and of registries alike. Pure.

Refuses to know what was found.
"""

from __future__ import annotations

from typing import Protocol

from dancu.common.v1 import common_pb2


class _Record(Protocol):
    @property
    def version(self) -> int: ...

    @property
    def data_as_of(self) -> float: ...

    @property
    def fetched_at(self) -> float: ...


class FoundSomewhere(Protocol):
    """A record with its source; times are seconds since the epoch."""

    @property
    def record(self) -> _Record:
        """What was found."""

    @property
    def source(self) -> common_pb2.Provenance.Source.ValueType:
        """Where."""


def provenance_of(found: FoundSomewhere) -> common_pb2.Provenance:
    """The provenance of a found record."""
    provenance = common_pb2.Provenance(source=found.source, record_version=found.record.version)
    provenance.data_as_of.FromNanoseconds(int(found.record.data_as_of * 1e6) * 1000)
    provenance.fetched_at.FromNanoseconds(int(found.record.fetched_at * 1e6) * 1000)
    return provenance
