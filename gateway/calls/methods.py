"""Every RPC of the public port: its scope, cost and audit class. `tests/architecture` compares with the protos."""

from __future__ import annotations

from typing import Protocol

from gateway.calls.inquiry import Answer, AuditClass, Inquiry, Method, Question
from gateway.citizens.bulk_lookup import BulkLookupCitizens
from gateway.citizens.lookup_citizen import LookupCitizen
from gateway.citizens.lookup_household import LookupHousehold
from gateway.citizens.records import Records
from gateway.citizens.verify_citizen import VerifyCitizen
from gateway.ports import Clock, Households
from gateway.registries.kinds import registry_scopes

_SERVICE = "dancu.citizen.v1.CitizenService"

LOOKUP_SCOPES = {
    f"{_SERVICE}/LookupCitizen": "citizen.lookup",
    f"{_SERVICE}/VerifyCitizen": "citizen.verify",
    f"{_SERVICE}/LookupHousehold": "citizen.household",
    f"{_SERVICE}/BulkLookupCitizens": "citizen.bulk",
    **registry_scopes(),
}
"""The right that each lookup needs, by full name, for who speaks of methods without serving them."""


def public_methods(
    *, records: Records, households: Households, clock: Clock, timeout_seconds: float, allow_test_numbers: bool
) -> dict[str, Method]:
    """The methods by full name; `timeout_seconds`: the longest wait for the national database."""
    methods = [
        _lookup("LookupCitizen", LookupCitizen(records=records, clock=clock, allow_test_numbers=allow_test_numbers)),
        _lookup("VerifyCitizen", VerifyCitizen(records=records, clock=clock, allow_test_numbers=allow_test_numbers)),
        _lookup(
            "LookupHousehold",
            LookupHousehold(
                records=records,
                households=households,
                clock=clock,
                timeout_seconds=timeout_seconds,
                allow_test_numbers=allow_test_numbers,
            ),
        ),
        _lookup(
            "BulkLookupCitizens",
            BulkLookupCitizens(records=records, clock=clock, allow_test_numbers=allow_test_numbers),
            is_bulk=True,
        ),
    ]
    return {method.name: method for method in methods}


class _Handler(Protocol):
    def parse(self, request: bytes) -> Question: ...

    async def handle(self, question: Question, inquiry: Inquiry) -> Answer: ...


def _lookup(name: str, handler: _Handler, *, is_bulk: bool = False) -> Method:
    """A method that costs each citizen asked for and records each."""
    full_name = f"{_SERVICE}/{name}"
    return Method(
        name=full_name,
        scope=LOOKUP_SCOPES[full_name],
        cost=lambda question: len(question.subjects),
        audit=AuditClass.PER_CITIZEN,
        parse=handler.parse,
        handle=handler.handle,
        is_bulk=is_bulk,
    )
