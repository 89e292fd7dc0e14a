"""Proofs from the files of a machine, checked as an outsider would: with the public key and nothing else."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.journal.errors import JournalDamagedError
from adapters.journal.reader import JournalReader
from adapters.journal.signing_keys import SigningKeys
from adapters.ledger.file_proofs import FileProofSource
from adapters.ledger.sqlite_store import SqliteLedgerStore
from adapters.processes.evidence import Keeping
from gateway.audit.checkpoints import verify_checkpoint
from gateway.audit.merkle import ProofError, leaf_hash, verify_consistency
from gateway.audit.notes import NoteError, VerifierKey
from gateway.audit.proof_source import CheckpointPendingError, ProofNotFoundError
from gateway.audit.receipt import Receipt
from tests.fakes.ledger import IngestObserved, JournalWriter, LedgerWorld, audit_record

ORIGIN = "m-w0"
NEVER = threading.Event()


@dataclass
class Machine:
    """A journal, its keeper, and proofs read beside it."""

    folder: Path

    def __post_init__(self) -> None:
        self.world = LedgerWorld(self.folder)
        self.keys = SigningKeys(self.folder / "signing", name="dancu.test")
        self.keys.ensure()
        self.observed = IngestObserved()
        self.proofs = FileProofSource(root=self.world.root, verifiers=self.folder / "signing")
        self.keeping = self.keeper()

    def keeper(self, *, retention: timedelta = timedelta(days=365)) -> Keeping:
        return Keeping(
            root=self.world.root,
            keys=self.keys,
            witness=self.folder / "witness",
            open_store=lambda: SqliteLedgerStore.open(self.world.path),
            retention=retention,
            observer=self.observed,
            recheck_seconds=0,
        )

    def write(self, records: int, *, segment_bytes: int = 64 << 20) -> None:
        writer = JournalWriter(self.world.root, ORIGIN, segment_bytes=segment_bytes)
        for _ in range(records):
            writer.write([audit_record(request_id=f"r{writer.next_index}")])
        writer.close()

    def receipt(self, index: int) -> Receipt:
        (stored,) = JournalReader(self.world.root / ORIGIN, start_index=index).read(1)
        return Receipt(ORIGIN, index, leaf_hash(stored.data))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


async def test_a_proof_convinces_who_has_the_public_key_alone(machine: Machine) -> None:
    """The whole point: no gateway, no ledger, no trust."""
    machine.write(300)
    machine.keeping.step(NEVER)
    checkpoint = await machine.proofs.checkpoint(ORIGIN)
    public_key = VerifierKey.parse(checkpoint.verifier_keys[-1])
    for index in (0, 1, 255, 256, 299):
        proof = await machine.proofs.inclusion(ORIGIN, index)
        told = proof.verify([public_key], receipt=machine.receipt(index))
        assert (told.origin, told.size) == (ORIGIN, 300)
    with pytest.raises(ProofError):
        proof.verify([public_key], receipt=machine.receipt(298))
    stranger = SigningKeys(machine.folder / "stranger", name="dancu.test")
    stranger.ensure()
    with pytest.raises(ProofError):
        proof.verify(stranger.verifiers(), receipt=machine.receipt(299))


async def test_a_later_checkpoint_continues_an_earlier_one(machine: Machine) -> None:
    """What an auditor kept last year still binds today's journal."""
    machine.write(100)
    machine.keeping.step(NEVER)
    first = await machine.proofs.checkpoint(ORIGIN)
    machine.write(157)
    machine.keeping.step(NEVER)
    second = await machine.proofs.checkpoint(ORIGIN)
    keys = [VerifierKey.parse(key) for key in second.verifier_keys]
    earlier, later = verify_checkpoint(first.note, keys), verify_checkpoint(second.note, keys)
    verify_consistency(
        first=100,
        second=257,
        first_root=earlier.root,
        second_root=later.root,
        path=await machine.proofs.consistency(ORIGIN, 100, 257),
    )
    with pytest.raises(CheckpointPendingError):
        await machine.proofs.consistency(ORIGIN, 100, 258)


async def test_what_is_not_covered_yet_is_pending_and_what_is_not_there_is_not(machine: Machine) -> None:
    """Come back soon, or never."""
    machine.write(3)
    with pytest.raises(CheckpointPendingError):
        await machine.proofs.inclusion(ORIGIN, 2)
    with pytest.raises(CheckpointPendingError):
        await machine.proofs.checkpoint(ORIGIN)
    with pytest.raises(ProofNotFoundError):
        await machine.proofs.inclusion(ORIGIN, 3)
    machine.keeping.step(NEVER)
    machine.write(1)
    with pytest.raises(CheckpointPendingError):
        await machine.proofs.inclusion(ORIGIN, 3)
    with pytest.raises(ProofNotFoundError):
        await machine.proofs.inclusion(ORIGIN, 4)


async def test_journals_of_other_machines_are_not_there(machine: Machine) -> None:
    """A proof is made where the journal lies; its origin begins with that machine's name."""
    machine.write(1)
    machine.keeping.step(NEVER)
    for proving in (
        machine.proofs.inclusion("other-w0", 0),
        machine.proofs.checkpoint("other-w0"),
        machine.proofs.consistency("other-w0", 1, 1),
    ):
        with pytest.raises(ProofNotFoundError):
            await proving
    assert not (machine.world.root / "other-w0").exists()


async def test_a_rotated_key_signs_along_and_old_proofs_stay_good(machine: Machine) -> None:
    """Outsiders learn the new key while the old one still vouches for everything."""
    machine.write(10)
    machine.keeping.step(NEVER)
    before = await machine.proofs.checkpoint(ORIGIN)
    machine.keys.rotate()
    machine.write(1)
    machine.keeping.step(NEVER)
    after = await machine.proofs.checkpoint(ORIGIN)
    assert len(before.verifier_keys) == 1
    assert after.verifier_keys[0] == before.verifier_keys[0]
    for key in after.verifier_keys:
        assert verify_checkpoint(after.note, [VerifierKey.parse(key)]).size == 11
    machine.keys.retire(1)
    machine.write(1)
    machine.keeping.step(NEVER)
    latest = await machine.proofs.checkpoint(ORIGIN)
    assert verify_checkpoint(latest.note, [VerifierKey.parse(latest.verifier_keys[-1])]).size == 12
    with pytest.raises(NoteError):
        verify_checkpoint(latest.note, [VerifierKey.parse(before.verifier_keys[0])])


async def test_the_witness_holds_every_checkpoint(machine: Machine) -> None:
    """A copy elsewhere finds a journal that was rolled back."""
    machine.write(2)
    machine.keeping.step(NEVER)
    copy = machine.folder / "witness" / ORIGIN / "checkpoints" / "checkpoint"
    assert copy.read_text() == (await machine.proofs.checkpoint(ORIGIN)).note


async def test_a_removed_record_has_no_proof_any_more_and_the_others_do(machine: Machine) -> None:
    """Retention takes the record; the rest of the journal must not become unprovable with it."""
    machine.write(60, segment_bytes=2000)
    machine.keeping.step(NEVER)
    machine.world.catch_up()
    machine.keeping.retain(now=datetime.now(UTC) + timedelta(days=366))
    with pytest.raises(ProofNotFoundError):
        await machine.proofs.inclusion(ORIGIN, 0)
    proof = await machine.proofs.inclusion(ORIGIN, 59)
    proof.verify(machine.keys.verifiers(), receipt=machine.receipt(59))


async def test_a_checkpoint_that_does_not_stand_gives_no_proof(machine: Machine) -> None:
    """Better none than one that a caller finds to be false."""
    machine.write(2)
    machine.keeping.step(NEVER)
    latest = machine.world.root / ORIGIN / "checkpoints" / "checkpoint"
    latest.write_text(latest.read_text().replace("\n2\n", "\n1\n"))
    with pytest.raises(JournalDamagedError):
        await machine.proofs.inclusion(ORIGIN, 0)


async def test_one_journal_that_cannot_be_signed_stops_no_other(machine: Machine) -> None:
    """Each worker's evidence stands for itself."""
    machine.write(2)
    other = JournalWriter(machine.world.root, "m-w1")
    other.write([audit_record()])
    other.close()
    (segment,) = (machine.world.root / ORIGIN).glob("*.segment")
    intact = segment.read_bytes()
    segment.write_bytes(intact.replace(b"r1", b"r2"))
    machine.keeping.step(NEVER)
    assert machine.observed.unsigned == {ORIGIN: True, "m-w1": False}
    assert (await machine.proofs.checkpoint("m-w1")).size == 1
    segment.write_bytes(intact)
    machine.keeping.step(NEVER)
    assert machine.observed.unsigned == {ORIGIN: False, "m-w1": False}
    assert (await machine.proofs.checkpoint(ORIGIN)).size == 2
