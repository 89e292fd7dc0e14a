"""The keeper: checkpoints that always continue each other, and proofs that always verify."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.journal.checkpoint_files import WitnessConflictError
from adapters.journal.errors import JournalDamagedError
from adapters.journal.keeper import NoCheckpointYetError
from adapters.journal.tree_store import RecordsPrunedError
from gateway.audit.checkpoints import read_checkpoint, verify_checkpoint
from gateway.audit.merkle import leaf_hash, root_of, verify_consistency
from gateway.audit.notes import SignerKey
from gateway.audit.receipt import Receipt
from tests.fakes.evidence import START, Evidence, record


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    evidence = Evidence(tmp_path)
    evidence.grow()
    return evidence


def root(size: int) -> bytes:
    return root_of([leaf_hash(record(index)) for index in range(size)])


def test_a_checkpoint_is_signed_over_the_records(evidence: Evidence) -> None:
    """What an outsider verifies first."""
    evidence.write(3)
    checkpoint = verify_checkpoint(evidence.sign(), [evidence.signer.verifier])
    assert (checkpoint.origin, checkpoint.size, checkpoint.root) == ("w0", 151, root(151))


def test_nothing_is_signed_where_nothing_was_recorded(tmp_path: Path) -> None:
    """An empty journal has no statement to make."""
    evidence = Evidence(tmp_path)
    evidence.open_log().close()
    keeper = evidence.keeper()
    assert keeper.advance() == 0
    assert keeper.checkpoint() is keeper.latest() is None
    keeper.close()


def test_the_same_tree_is_not_signed_twice(evidence: Evidence) -> None:
    """An idle night must not fill the log."""
    before = evidence.notes().read_bytes()
    assert evidence.sign() == evidence.sign()
    assert evidence.notes().read_bytes() == before


def test_every_record_can_be_proved_with_the_public_key_alone(evidence: Evidence) -> None:
    """The receipt's promise."""
    keeper = evidence.keeper()
    for index in (0, 36, 37, 147):
        proof = keeper.inclusion_proof(index)
        receipt = Receipt("w0", index, leaf_hash(record(index)))
        assert proof.verify([evidence.signer.verifier], receipt=receipt).size == 148
    keeper.close()


def test_two_checkpoints_can_be_shown_to_continue_each_other(evidence: Evidence) -> None:
    """An auditor who kept an old one asks for this."""
    keeper = evidence.keeper()
    path = keeper.consistency_proof(37, 148)
    verify_consistency(first=37, second=148, first_root=root(37), second_root=root(148), path=path)
    keeper.close()


def test_what_no_checkpoint_covers_is_not_proved_yet(evidence: Evidence) -> None:
    """A proof needs a signature; the caller may ask again in seconds."""
    evidence.write(1)
    keeper = evidence.keeper()
    keeper.advance()
    with pytest.raises(NoCheckpointYetError):
        keeper.inclusion_proof(148)
    with pytest.raises(NoCheckpointYetError):
        keeper.consistency_proof(1, 149)
    keeper.checkpoint()
    assert keeper.inclusion_proof(148).size == 149
    keeper.close()


def test_a_lost_tree_is_built_again(evidence: Evidence) -> None:
    """It is derived from the journal and may be dropped at any time."""
    shutil.rmtree(evidence.journal() / "tree")
    keeper = evidence.keeper()
    assert keeper.inclusion_proof(100).size == 148
    keeper.close()
    assert evidence.verify().sound


def test_a_lost_tree_of_a_pruned_journal_is_built_from_the_signed_head(evidence: Evidence) -> None:
    """Removed records must not end the evidence of those that stay."""
    keeper = evidence.keeper()
    keeper.remove(before=START + timedelta(days=3), keep_from=148)
    keeper.close()
    shutil.rmtree(evidence.journal() / "tree")
    evidence.write(5)
    evidence.sign()
    keeper = evidence.keeper()
    assert keeper.inclusion_proof(150).verify([evidence.signer.verifier]).size == 153
    with pytest.raises(RecordsPrunedError):
        keeper.inclusion_proof(0)
    keeper.close()
    assert evidence.verify().sound


def test_a_damaged_tree_gives_no_false_proof_and_heals(tmp_path: Path) -> None:
    """A bit that flips in a derived file must not become a wrong proof."""
    evidence = Evidence(tmp_path)
    evidence.grow(1, 600)
    path = evidence.journal() / "tree" / "level-00"
    data = bytearray(path.read_bytes())
    data[32 * 11] ^= 1
    path.write_bytes(data)
    keeper = evidence.keeper()
    with pytest.raises(JournalDamagedError, match="built again"):
        keeper.inclusion_proof(10)
    assert keeper.inclusion_proof(10).verify([evidence.signer.verifier])
    keeper.close()


def test_a_rewritten_journal_is_not_signed_for(evidence: Evidence) -> None:
    """The keeper must not turn a forgery into a checkpoint, however well the files are forged."""
    shutil.rmtree(evidence.journal() / "tree")
    evidence.forge(lambda _, records: [one.replace(b"record 5 ", b"record 6 ") for one in records])
    keeper = evidence.keeper()
    with pytest.raises(JournalDamagedError, match="no longer holds those"):
        keeper.checkpoint()
    keeper.close()


def test_a_journal_rolled_back_behind_the_witness_is_not_signed_for(evidence: Evidence, tmp_path: Path) -> None:
    """Two different trees of one size, both signed, would make every proof worthless."""
    shutil.copytree(evidence.root, tmp_path / "copy")
    evidence.write(20)
    evidence.sign()
    shutil.rmtree(evidence.root)
    shutil.move(tmp_path / "copy", evidence.root)
    evidence.write(20)
    keeper = evidence.keeper()
    with pytest.raises(WitnessConflictError):
        keeper.checkpoint()
    keeper.close()


def test_a_checkpoint_of_a_stranger_is_not_continued(evidence: Evidence) -> None:
    """Whoever put it there is at work in this directory."""
    evidence.signer = SignerKey("dancu.example", bytes(32))
    with pytest.raises(JournalDamagedError, match="does not stand"):
        evidence.keeper().checkpoint()


def test_an_unreachable_witness_stops_nothing_and_is_caught_up_with(tmp_path: Path) -> None:
    """The witness may be a machine that is down for a day."""
    evidence = Evidence(tmp_path)
    evidence.witness.write_text("not a directory: the mount is gone")
    evidence.grow()
    evidence.witness.unlink()
    evidence.sign()
    ours = evidence.notes().read_bytes()
    (theirs,) = (evidence.witness / "w0" / "checkpoints").glob("*.notes")
    assert theirs.read_bytes() == ours
    assert read_checkpoint((theirs.parent / "checkpoint").read_text()).size == 148


def test_retention_keeps_what_the_ledger_has_not_taken_in(evidence: Evidence) -> None:
    """Counts are made from the records; removing them first would lose them."""
    keeper = evidence.keeper()
    assert keeper.remove(before=START + timedelta(days=3), keep_from=10) == []
    removed = keeper.remove(before=START + timedelta(days=3), keep_from=80)
    assert removed
    keeper.close()
    assert 0 < evidence.segments()[0].first_index <= 80


def test_retention_keeps_what_is_young_and_the_last_segment(evidence: Evidence) -> None:
    """The law asks for a time; the last segment belongs to the worker."""
    keeper = evidence.keeper()
    assert keeper.remove(before=START, keep_from=148) == []
    assert keeper.pack(before=START) == []
    keeper.pack(before=START + timedelta(days=100))
    assert not evidence.segments()[-1].archived
    keeper.remove(before=START + timedelta(days=100), keep_from=148)
    keeper.close()
    assert len(evidence.segments()) == 1
    evidence.write(3)
    assert evidence.verify().sound


def test_a_receipt_of_a_removed_record_is_still_in_the_tree(evidence: Evidence) -> None:
    """Its bytes are gone, its leaf hash and its path are not."""
    keeper = evidence.keeper()
    keeper.remove(before=START + timedelta(days=3), keep_from=148)
    with pytest.raises(RecordsPrunedError):
        keeper.inclusion_proof(0)
    path = keeper.consistency_proof(1, 148)
    verify_consistency(first=1, second=148, first_root=leaf_hash(record(0)), second_root=root(148), path=path)
    keeper.close()
