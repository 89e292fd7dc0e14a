"""The client library's methods for evidence, both ways of waiting, against a real gRPC server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from dancu.audit.v1.audit_service_pb2 import DIMENSION_ORGANISATION, DIMENSION_SOURCE, PERIOD_MONTH
from dancu.client import AsyncClient, Client
from dancu.client.audit_calls import outcome_text, outcome_value
from dancu.errors.v1.errors_pb2 import ErrorReason
from tests.fakes.scripted_audit import ScriptedAudit, record_at, serving

SINCE = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def audit() -> ScriptedAudit:
    return ScriptedAudit(records=[record_at(0), record_at(1)])


@pytest.fixture
def target(audit: ScriptedAudit) -> Iterator[str]:
    with serving(audit) as where:
        yield where


def plain(requests: list[Any]) -> list[str]:
    return [f"{type(one).__name__} {one!s}" for one in requests]


async def test_both_clients_ask_the_same(audit: ScriptedAudit, target: str) -> None:
    """What one of them forgets is found by nobody who uses the other."""
    with Client(target=target, key="dck_a_b", environment={}) as client:
        first = client.list_audit_records(account="01/mot-cua", outcome="RATE_LIMITED", since=SINCE, page_size=1)
        client.list_disclosures("098190000017", until=SINCE, page_token="1")
        client.get_statistics(period="month", dimensions=("organisation", "source"), since=SINCE)
        client.get_consistency_proof("test-w0", first_size=1, second_size=2)
        client.get_inclusion_proof("test-w0:0:x")
        client.get_checkpoint("test-w0")
    blocking = plain(audit.requests)
    audit.requests.clear()
    async with AsyncClient(target=target, key="dck_a_b", environment={}) as client:
        again = await client.list_audit_records(account="01/mot-cua", outcome="RATE_LIMITED", since=SINCE, page_size=1)
        await client.list_disclosures("098190000017", until=SINCE, page_token="1")
        await client.get_statistics(period="month", dimensions=("organisation", "source"), since=SINCE)
        await client.get_consistency_proof("test-w0", first_size=1, second_size=2)
        await client.get_inclusion_proof("test-w0:0:x")
        await client.get_checkpoint("test-w0")
    assert plain(audit.requests) == blocking
    assert len(blocking) == 6
    assert first == again
    assert (len(first.records), first.next_page_token) == (1, "1")
    counts = audit.requests[2]
    assert counts.period == PERIOD_MONTH
    assert list(counts.dimensions) == [DIMENSION_ORGANISATION, DIMENSION_SOURCE]
    assert getattr(counts, "from").ToDatetime(UTC) == SINCE
    assert not counts.HasField("to")


@pytest.mark.parametrize("number", list(ErrorReason.values()))
def test_outcomes_have_names_and_names_have_outcomes(number: int) -> None:
    """What a list shows can be asked for again."""
    assert outcome_value(outcome_text(number)) == number


def test_an_unknown_outcome_is_refused_before_it_is_sent() -> None:
    """A mistyped reason must not mean any."""
    with pytest.raises(ValueError, match="an outcome is OK or the name of a reason"):
        outcome_value("FINE")
    assert outcome_text(999) == "999"
