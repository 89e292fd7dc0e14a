"""The evidence of a whole installation: asked of its ports, while its control process is killed."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
import urllib.request
from collections import Counter
from functools import partial
from typing import Any

import pytest

from adapters.journal.reader import JournalReader, journals_in
from dancu.audit.v1.audit_record_pb2 import AuditRecord
from dancu.client import AsyncClient, Client, Refused
from gateway.audit.notes import VerifierKey
from gateway.audit.proofs import InclusionProof
from gateway.audit.receipt import Receipt
from gateway.audit.statistics import outcome_name
from mock_national_db import sample
from tests.fakes.supervised import PATIENCE_SECONDS, Supervised, wait_for
from tests.integration.conftest import POPULATION, GatewayUp

CONTROL = r"adapters\.processes\.control"
PROCEDURE = "evidence.test"
NOBODY = "099099999999"


def admin(gateway: GatewayUp) -> Client:
    return Client(target=gateway.admin_target, key=gateway.demo["DANCU_ADMIN_KEY"], environment={})


def public(gateway: GatewayUp, key: str) -> Client:
    return Client(target=gateway.target, key=gateway.demo[key], environment={})


def lookup(client: Client, number: str, procedure: str = PROCEDURE) -> str:
    return client.lookup_citizen(personal_number=number, procedure=procedure, fields=["full_name", "sex"]).receipt


def eventually(ask: Any) -> Any:
    """What `ask` returns once it is neither refused nor empty: ledger and checkpoints follow within seconds."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            if found := ask():
                return found
        except Refused:
            if time.monotonic() > until:
                raise
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.1)


def test_an_operator_sees_who_looked_at_a_citizen(gateway_up: GatewayUp) -> None:
    """From the caller's receipt to the operator's screen, through real processes."""
    *_, person = sample(7, population=POPULATION)
    number = person.personal_number
    with public(gateway_up, "DANCU_API_KEY") as caller, admin(gateway_up) as operator:
        receipt = lookup(caller, number)
        found = eventually(lambda: operator.list_disclosures(number).disclosures)
        assert [one.receipt for one in found] == [receipt]
        record = found[0].record
        assert (record.account, record.procedure, list(record.fields)) == ("01/demo", PROCEDURE, ["full_name", "sex"])
        listed = operator.list_audit_records(request_id=record.request_id, method="citizen.lookup").records
        assert [one.receipt for one in listed] == [receipt]
        looks = eventually(lambda: operator.list_audit_records(personal_number=number, method="admin.audit").records)
        assert looks[-1].record.account == "BCA/van-hanh"
    key = gateway_up.demo["DANCU_API_KEY"]
    with (
        Client(target=gateway_up.admin_target, key=key, environment={}) as caller,
        pytest.raises(Refused) as refusal,
    ):
        caller.get_statistics()
    assert refusal.value.reason == "METHOD_NOT_GRANTED"


def test_a_caller_proves_its_own_lookup_and_no_other_accounts(gateway_up: GatewayUp) -> None:
    """Signed by the control process, proved by a worker, checked with the public key alone."""
    (person,) = sample(1, population=POPULATION)
    number = person.personal_number
    with public(gateway_up, "DANCU_BENCH_KEY") as other, public(gateway_up, "DANCU_API_KEY") as caller:
        text = lookup(caller, number)
        receipt = Receipt.parse(text)
        with pytest.raises(Refused) as refusal:
            other.get_inclusion_proof(text)
        assert refusal.value.reason == "RECEIPT_NOT_FOUND"
        told = eventually(lambda: caller.get_inclusion_proof(text))
        with pytest.raises(Refused) as refusal:
            other.get_inclusion_proof(text)
        assert refusal.value.reason == "RECEIPT_NOT_FOUND"
        keys = [VerifierKey.parse(key) for key in other.get_checkpoint(receipt.origin).verifier_keys]
    proof = InclusionProof(
        receipt.origin, told.leaf_index, told.tree_size, told.record, tuple(told.path), told.checkpoint
    )
    proof.verify(keys, receipt=receipt)
    assert AuditRecord.FromString(told.record).account == "01/demo"


def test_a_second_control_process_is_refused_before_it_touches_anything(gateway_up: GatewayUp) -> None:
    """Two would sign two trees, and the second would empty the first one's gauges."""
    second = Supervised(
        [sys.executable, "-P", "-m", "adapters.processes.control"],
        folder=gateway_up.data_dir.parent / "second",
        environment={"DANCU_DATA_DIR": str(gateway_up.data_dir), "DANCU_CONFIG": os.devnull},
    )
    try:
        assert second.end() == 1
    finally:
        second.close()
    assert "another control process works in" in second.err
    assert "Traceback" not in second.err
    with urllib.request.urlopen(f"{gateway_up.http_url}/metrics", timeout=30) as answer:  # noqa: S310  our own address
        told = answer.read().decode()
    assert 'dancu_ingest_lag_records{origin="' in told
    assert 'dancu_degraded{dependency="ledger"} 0.0' in told


async def test_statistics_equal_a_recount_after_the_control_process_was_killed(gateway_up: GatewayUp) -> None:
    """P7 through SIGKILL: every record of every worker counted once, whatever the ingest was doing."""
    procedure = "evidence.kills"
    numbers = [person.personal_number for person in sample(50, population=POPULATION)]
    done, chance = asyncio.Event(), random.Random(5)

    async def ask() -> None:
        async with AsyncClient(
            target=gateway_up.target, key=gateway_up.demo["DANCU_BENCH_KEY"], environment={}
        ) as client:
            while not done.is_set():
                await client.lookup_citizen(
                    personal_number=chance.choice(numbers), procedure=procedure, fields=["full_name"]
                )
                with pytest.raises(Refused, match="CITIZEN_NOT_FOUND"):
                    await client.lookup_citizen(personal_number=NOBODY, procedure=procedure)

    asking = [asyncio.create_task(ask()) for _ in range(4)]
    await asyncio.sleep(0.5)
    killed = gateway_up.process.child(CONTROL)
    os.kill(killed, signal.SIGKILL)
    has_come = partial(gateway_up.process.has_child, CONTROL, other_than=killed)
    await asyncio.to_thread(wait_for, has_come, "another control process")
    done.set()
    await asyncio.gather(*asking)
    expected = Counter(
        (record.account, outcome_name(record.outcome), record.procedure)
        for journal in journals_in(gateway_up.data_dir / "journal")
        for record in (AuditRecord.FromString(stored.data) for stored in JournalReader(journal))
        if record.procedure == procedure
    )
    assert len(expected) == 2

    def counted() -> Counter[tuple[str, ...]] | None:
        with admin(gateway_up) as operator:
            answer = operator.get_statistics(dimensions=("account", "outcome", "procedure"))
        if answer.lag_records:
            return None
        return Counter({tuple(row.values): row.calls for row in answer.rows if row.values[2] == procedure})

    assert await asyncio.to_thread(eventually, counted) == expected
