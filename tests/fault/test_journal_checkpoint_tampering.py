"""P2 across checkpoints, witness and retention: what was signed cannot be forged, rolled back or lost unnoticed."""

from __future__ import annotations

import gzip
import shutil
import zlib
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.journal.findings import FindingKind
from adapters.journal.frames import encode
from adapters.journal.verify import known_verifiers
from gateway.audit.checkpoints import Checkpoint, read_checkpoint, sign_checkpoint
from gateway.audit.merkle import CompactRange, leaf_hash
from gateway.audit.notes import SignerKey
from tests.fakes.evidence import START, Evidence, record
from tests.fault.test_journal_tampering import reframe

STRANGER = SignerKey("dancu.example", bytes(range(1, 33)))


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    evidence = Evidence(tmp_path)
    evidence.grow()
    return evidence


def test_a_checkpoint_of_a_stranger_is_found(evidence: Evidence) -> None:
    """Anybody can sign; only known keys count."""
    tree = CompactRange()
    tree.extend([leaf_hash(record(index)) for index in range(148)])
    note = sign_checkpoint(Checkpoint("w0", 148, tree.root()), [STRANGER])
    append_note(evidence, note)
    (finding,) = evidence.verify(witness=False).findings
    assert finding.kind is FindingKind.CHECKPOINT_FORGED
    assert finding.file == f"checkpoints/{evidence.notes().name}"


def test_a_checkpoint_with_another_root_is_found(evidence: Evidence) -> None:
    """Even one signed with the real key must fit the records."""
    append_note(evidence, sign_checkpoint(Checkpoint("w0", 148, bytes(32)), [evidence.signer]))
    assert evidence.kinds(witness=False) == {FindingKind.RECORDS_REWRITTEN}


def test_a_checkpoint_of_another_journal_is_found(evidence: Evidence) -> None:
    """A true statement about something else is a lie here."""
    append_note(evidence, sign_checkpoint(Checkpoint("w1", 148, bytes(32)), [evidence.signer]))
    assert evidence.kinds(witness=False) == {FindingKind.CHECKPOINT_FORGED}


def append_note(evidence: Evidence, note: str) -> None:
    """Add a note to the log with a fitting checksum."""
    path = evidence.notes()
    data = path.read_bytes()
    chain, position = zlib.crc32(data[:16]), 16
    while position < len(data):
        chain = int.from_bytes(data[position : position + 4], "little")
        position += 8 + int.from_bytes(data[position + 4 : position + 8], "little")
    path.write_bytes(data + encode([note.encode()], chain).data)


def test_a_roll_back_to_an_old_copy_is_found_by_the_witness(evidence: Evidence, tmp_path: Path) -> None:
    """An old copy is sound in itself; only somebody who saw more can tell."""
    shutil.copytree(evidence.root, tmp_path / "copy")
    evidence.write(20)
    evidence.sign()
    shutil.rmtree(evidence.root)
    shutil.move(tmp_path / "copy", evidence.root)
    assert not evidence.kinds(witness=False)
    kinds = evidence.kinds()
    assert {FindingKind.CHECKPOINT_MISSING, FindingKind.RECORDS_MISSING} <= kinds


def test_a_past_rewritten_with_the_stolen_key_is_found_by_the_witness(evidence: Evidence) -> None:
    """The witness makes the signing key worthless for the past."""
    shutil.rmtree(evidence.root)
    evidence.with_witness = False
    log = evidence.open_log()
    for index in range(148):
        log.commit([record(index).replace(b"somebody", b"nobody")])
    log.close()
    evidence.sign()
    assert not evidence.kinds()
    evidence.with_witness = True
    assert {FindingKind.RECORDS_REWRITTEN, FindingKind.CHECKPOINT_MISSING} <= evidence.kinds()


def test_a_journal_that_is_gone_is_found_by_the_witness(evidence: Evidence) -> None:
    """Removing everything is the simplest rewrite."""
    shutil.rmtree(evidence.journal())
    assert evidence.kinds() == {FindingKind.JOURNAL_MISSING}


def test_removed_checkpoints_are_found_by_the_witness(evidence: Evidence) -> None:
    """Without checkpoints nothing could be compared."""
    shutil.rmtree(evidence.journal() / "checkpoints")
    assert evidence.kinds() == {FindingKind.CHECKPOINT_MISSING}


def test_a_wrong_stored_hash_is_told_from_a_wrong_record(evidence: Evidence) -> None:
    """One is repaired, the other is a crime."""
    path = evidence.journal() / "tree" / "level-00"
    data = bytearray(path.read_bytes())
    data[32 * 50] ^= 1
    path.write_bytes(data)
    (finding,) = evidence.verify().findings
    assert (finding.kind, finding.index) == (FindingKind.TREE_STORE_DAMAGED, 50)


def test_a_wrong_stored_tile_is_found(tmp_path: Path) -> None:
    """Proofs are made from the upper levels."""
    evidence = Evidence(tmp_path)
    evidence.write(600, segment_bytes=1 << 20)
    evidence.sign()
    path = evidence.journal() / "tree" / "level-08"
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    (finding,) = evidence.verify().findings
    assert (finding.kind, finding.index) == (FindingKind.TREE_STORE_DAMAGED, 256)


def test_packed_segments_are_verified_like_plain_ones(evidence: Evidence) -> None:
    """Retention must not be a way around the audit."""
    keeper = evidence.keeper()
    packed = keeper.pack(before=START + timedelta(days=3))
    keeper.close()
    assert packed
    assert evidence.verify().sound
    path = evidence.journal() / packed[1]
    data = gzip.decompress(path.read_bytes())
    changed = data.replace(b"somebody", b"somebodY", 1)
    path.write_bytes(gzip.compress(changed, mtime=0))
    assert evidence.kinds() == {FindingKind.RECORD_CHANGED}
    path.write_bytes(path.read_bytes()[:-9])
    assert evidence.kinds() == {FindingKind.SEGMENT_DAMAGED}


def test_removal_by_retention_is_told_from_removal_by_hand(evidence: Evidence) -> None:
    """The signed head is what makes the difference."""
    keeper = evidence.keeper()
    assert keeper.remove(before=START + timedelta(days=3), keep_from=148)
    keeper.close()
    outcome = evidence.verify()
    assert outcome.sound, outcome.findings
    first = outcome.journals[0].first_index
    assert 0 < first < 148
    assert outcome.journals[0].records == 148 - first
    evidence.segment(0).unlink()
    assert FindingKind.SEGMENT_MISSING in evidence.kinds()


def test_removal_with_a_forged_head_is_found(evidence: Evidence) -> None:
    """Whoever removes records must not be able to excuse it."""
    keeper = evidence.keeper(signer=STRANGER)
    keeper.remove(before=START + timedelta(days=3), keep_from=148)
    keeper.close()
    assert {FindingKind.CHECKPOINT_FORGED, FindingKind.SEGMENT_MISSING} <= evidence.kinds()


def test_the_kept_hashes_of_removed_records_are_verified(evidence: Evidence) -> None:
    """A receipt of a removed record is still proved by them."""
    keeper = evidence.keeper()
    keeper.remove(before=START + timedelta(days=3), keep_from=148)
    keeper.close()
    path = evidence.journal() / "tree" / "level-00"
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)
    assert evidence.kinds() == {FindingKind.TREE_STORE_DAMAGED}


def test_the_keys_of_the_witness_are_trusted_before_those_beside_the_journal(tmp_path: Path) -> None:
    """Whoever can forge the journal can put a key beside it."""
    ours, theirs = tmp_path / "keys", tmp_path / "witness" / "keys"
    ours.mkdir()
    theirs.mkdir(parents=True)
    (ours / "1.verifier").write_text(f"{STRANGER.verifier}\n")
    assert known_verifiers(ours, tmp_path / "witness") == [STRANGER.verifier]
    good = SignerKey("dancu.example", bytes(32)).verifier
    (theirs / "1.verifier").write_text(f"{good}\n")
    assert known_verifiers(ours, tmp_path / "witness") == [good]
    assert known_verifiers(ours, None) == [STRANGER.verifier]


def test_several_journals_are_verified_each_for_itself(evidence: Evidence) -> None:
    """One journal per worker; trouble in one must not hide behind another."""
    evidence.grow(2, origin="w1")
    assert [one.origin for one in evidence.verify().journals] == ["w0", "w1"]
    reframe(evidence.segment(0, "w1"), lambda records: records[::-1])
    assert {finding.origin for finding in evidence.verify().findings} == {"w1"}


def test_a_checkpoint_is_readable_by_name(evidence: Evidence) -> None:
    """Outsiders fetch the latest one as plain text."""
    note = (evidence.journal() / "checkpoints" / "checkpoint").read_text()
    assert read_checkpoint(note).size == 148
