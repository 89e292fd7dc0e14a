"""Every RPC of the public port: its scope, cost and audit class. `tests/architecture` compares with the protos."""

from __future__ import annotations

from gateway.calls.inquiry import AuditClass, Method
from gateway.citizens.lookup_citizen import LookupCitizen
from gateway.citizens.records import Records
from gateway.ports import Clock
from gateway.registries.kinds import registry_scopes

LOOKUP_SCOPES = {"dancu.citizen.v1.CitizenService/LookupCitizen": "citizen.lookup", **registry_scopes()}
"""The right that each lookup needs, by full name, for who speaks of methods without serving them."""


def public_methods(*, records: Records, clock: Clock, allow_test_numbers: bool) -> dict[str, Method]:
    """The methods by full name."""
    lookup_citizen = LookupCitizen(records=records, clock=clock, allow_test_numbers=allow_test_numbers)
    methods = [
        Method(
            name="dancu.citizen.v1.CitizenService/LookupCitizen",
            scope=LOOKUP_SCOPES["dancu.citizen.v1.CitizenService/LookupCitizen"],
            cost=lambda question: len(question.subjects),
            audit=AuditClass.PER_CITIZEN,
            parse=lookup_citizen.parse,
            handle=lookup_citizen.handle,
        ),
    ]
    return {method.name: method for method in methods}
