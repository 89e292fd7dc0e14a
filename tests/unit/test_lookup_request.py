"""What a bad `LookupCitizen` request gets: every violation, in one answer."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import given, settings
from hypothesis import strategies as st

from dancu.citizen.v1 import citizen_pb2
from dancu.citizen.v1.citizen_service_pb2 import LookupCitizenRequest
from dancu.common.v1 import common_pb2
from gateway.errors import GatewayError, Reason
from tests.fakes.gateway import PURPOSE, FakeGateway, claims, lookup_request, refused
from tests.fakes.national_db import AN


async def violations_of(request: LookupCitizenRequest | bytes) -> set[str]:
    gateway = FakeGateway()
    data = request if isinstance(request, bytes) else request.SerializeToString()
    with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST) as refusal:
        await gateway.call(data)
    assert gateway.national_db.asked == []
    assert len(gateway.journal.payloads) == 1
    return {violation.field for violation in refusal[0].violations}


async def test_every_violation_is_told_at_once() -> None:
    """One round trip, not one per mistake."""
    request = LookupCitizenRequest(
        personal_number="123",
        claims=citizen_pb2.Claims(
            full_name="x" * 201,
            birth_date=common_pb2.BirthDate(year=1990, month=2, day=30),
            legacy_number="12",
            household_head_name="a\x00b",
        ),
        purpose=common_pb2.Purpose(dossier_code="a b", officer_id="x" * 65, legal_basis="a\nb"),
        max_staleness=Duration(seconds=31 * 86400),
        request_id="a b",
    )
    request.read_mask.paths.extend(["full_name", "nothing", "full_name.nothing", "personal_number"])
    assert await violations_of(request) == {
        "personal_number",
        "claims.full_name",
        "claims.birth_date",
        "claims.legacy_number",
        "claims.household_head_name",
        "read_mask.paths[1]",
        "read_mask.paths[2]",
        "purpose.procedure_code",
        "purpose.dossier_code",
        "purpose.officer_id",
        "purpose.legal_basis",
        "max_staleness",
        "request_id",
    }


async def test_an_empty_request_lacks_a_number_and_a_purpose() -> None:
    """Law 91/2025: no question without a purpose."""
    assert await violations_of(b"") == {"personal_number", "purpose"}


@pytest.mark.parametrize("data", [b"\xff\xff\xff", b"\x0a\xff", b"\x08"])
async def test_bytes_that_are_not_the_message_are_told_as_that(data: bytes) -> None:
    """The worker must come to no harm."""
    assert await violations_of(data) == {""}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"purpose": common_pb2.Purpose(procedure_code="x" * 33)}, "purpose.procedure_code"),
        ({"purpose": common_pb2.Purpose(procedure_code="1.1\n")}, "purpose.procedure_code"),
        ({"max_staleness": Duration(seconds=-1)}, "max_staleness"),
        ({"max_staleness": Duration(seconds=315_576_000_000)}, "max_staleness"),
        ({"claims": claims("A", 1899)}, "claims.birth_date"),
        ({"claims": claims("A", 2027)}, "claims.birth_date"),
        ({"claims": claims("A", 1990, 13)}, "claims.birth_date"),
        ({"claims": claims("A", 1990, 0, 5)}, "claims.birth_date"),
        ({"read_mask": {"paths": ["full_name"] * 65}}, "read_mask"),
        ({"request_id": "x" * 65}, "request_id"),
    ],
)
async def test_each_rule_alone_refuses(changes: dict[str, Any], field: str) -> None:
    """A rule that only holds together with another is no rule."""
    assert await violations_of(lookup_request(AN.personal_number, **changes)) == {field}


async def test_both_bounds_of_staleness_are_accepted() -> None:
    """The limits are inclusive, as documented."""
    gateway = FakeGateway()
    for seconds in (0, 30 * 86400):
        assert (await gateway.lookup(AN.personal_number, max_staleness=Duration(seconds=seconds))).citizen == AN


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
async def test_no_bytes_break_the_gateway(data: bytes) -> None:
    """Whatever arrives is answered or refused with a reason, never with a defect."""
    gateway = FakeGateway()
    try:
        await gateway.call(data)
    except GatewayError as refusal:
        assert refusal.reason is not Reason.INTERNAL  # noqa: PT017


@settings(max_examples=200, deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "authorization": st.text(max_size=120),
            "x_request_id": st.text(max_size=80),
            "traceparent": st.text(max_size=80),
        },
    )
)
async def test_no_metadata_breaks_the_gateway(metadata: dict[str, str]) -> None:
    """Headers come from strangers."""
    gateway = FakeGateway()
    try:
        request = lookup_request(AN.personal_number, purpose=PURPOSE).SerializeToString()
        reply = await gateway.call(request, deadline=None, **metadata)
        trailing = reply.trailing
    except GatewayError as refusal:
        assert refusal.reason is not Reason.INTERNAL  # noqa: PT017
        trailing = refusal.trailing
    assert dict(trailing)["dancu-request-id"].isascii()


async def test_the_callers_trace_is_kept() -> None:
    """A record can be joined with the caller's own trace (W3C Trace Context)."""
    gateway = FakeGateway()
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    await gateway.call(
        lookup_request(AN.personal_number).SerializeToString(), traceparent=f"00-{trace}-00f067aa0ba902b7-01"
    )
    assert gateway.records[0].trace_id.hex() == trace
