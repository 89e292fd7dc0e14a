"""One file for each registry: its JSON into our message. A file is found by its registry's name.

Each has `record_from_wire(wire) -> Message`, which raises `adapters.national_db_wire.WireError` for anything that is
not of the documented shape (docs/mock-registries.md).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeAlias, cast

from google.protobuf.message import Message

from gateway.registries.kinds import RegistryKind

RecordReader: TypeAlias = Callable[[dict[str, Any]], Message]


def reader_of(kind: RegistryKind) -> RecordReader:
    """The reader of a registry's records. Raises ImportError where its adapter is missing: no start without it."""
    return cast("RecordReader", import_module(f"{__name__}.{kind.name}").record_from_wire)
