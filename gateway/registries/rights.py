"""How rights on the fields of registries are spelled, and what they come to within one registry. Pure.

A policy's `fields` are paths. Those of `Citizen` stand as they are (`full_name`); those of a registry begin with its
name: `social_insurance.book_number`, or `social_insurance` for all of it, since a path grants all below it. `*` grants
everything everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from dancu.citizen.v1 import citizen_pb2
from gateway.accounts.model import EVERYTHING
from gateway.citizens.fields import Selection, is_path, selection
from gateway.registries.kinds import REGISTRIES, RegistryKind


def qualified(kind: RegistryKind, paths: Iterable[str]) -> tuple[str, ...]:
    """Paths of the record as policies and records of the journal spell them; `*` is the whole of the registry."""
    return tuple(kind.name if path == EVERYTHING else f"{kind.name}.{path}" for path in paths)


@lru_cache(maxsize=4096)
def granted_within(kind: RegistryKind, granted: frozenset[str]) -> frozenset[str]:
    """The paths of the record that a policy's fields grant: `*` for all of it, nothing for none."""
    if EVERYTHING in granted or kind.name in granted:
        return frozenset({EVERYTHING})
    return frozenset(path.partition(".")[2] for path in granted if path.startswith(f"{kind.name}."))


@lru_cache(maxsize=4096)
def registry_selection(kind: RegistryKind, granted: frozenset[str], asked: tuple[str, ...]) -> Selection[Message]:
    """The selection of a record for asked paths that are known to be granted; nothing asked means all granted."""
    return selection(kind.record, granted_within(kind, granted), asked)


def is_field(path: str, kinds: tuple[RegistryKind, ...] = REGISTRIES) -> bool:
    """Whether a policy's rule on fields names something: a field of `Citizen`, a registry, or a field of one."""
    name, dot, below = path.partition(".")
    for kind in kinds:
        if kind.name == name:
            return not dot or is_path(kind.descriptor, below)
    return is_path(citizen_pb2.Citizen.DESCRIPTOR, path)


def roots(kinds: tuple[RegistryKind, ...] = REGISTRIES) -> Iterator[tuple[str, Descriptor | None]]:
    """The outermost things that rules on fields can name, each with the message below it."""
    for field in citizen_pb2.Citizen.DESCRIPTOR.fields:
        yield field.name, field.message_type
    for kind in kinds:
        yield kind.name, kind.descriptor
