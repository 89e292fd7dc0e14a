"""The methods of the registries, made of their declarations."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.calls.inquiry import AuditClass, Method, Question
from gateway.citizens.records import Records
from gateway.ports import Clock
from gateway.registries.identity import IdentityCheck
from gateway.registries.kinds import RegistryKind
from gateway.registries.lookup_registry import LookupRegistry
from gateway.registries.records import RegistryRecords


def registry_methods(
    registries: Mapping[RegistryKind, RegistryRecords], *, people: Records, clock: Clock, allow_test_numbers: bool
) -> dict[str, Method]:
    """The methods by full name, one for each registry that is connected; `people` decides on claims."""
    identity = IdentityCheck(people)
    methods = {}
    for kind, records in registries.items():
        lookup = LookupRegistry(
            kind=kind, records=records, identity=identity, clock=clock, allow_test_numbers=allow_test_numbers
        )
        methods[kind.method] = Method(
            name=kind.method,
            scope=kind.scope,
            cost=_cost,
            audit=AuditClass.PER_CITIZEN,
            parse=lookup.parse,
            handle=lookup.handle,
        )
    return methods


def _cost(question: Question) -> int:
    # A question by enterprise code names no citizen and its answer does.
    return max(1, len(question.subjects))
