"""The tree beside the journal."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from adapters.journal.errors import JournalDamagedError
from adapters.journal.reader import JournalReader
from adapters.journal.retention import pack_segments
from adapters.journal.tree_store import RecordsPrunedError, TreeStore
from gateway.audit.merkle import CompactRange, inclusion_proof, leaf_hash, root_of, verify_inclusion
from tests.fakes.evidence import START, Evidence, record

RECORDS = 1200


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    evidence = Evidence(tmp_path)
    for day in range(4):
        evidence.write(RECORDS // 4, segment_bytes=20_000, day=day)
    return evidence


def built(evidence: Evidence, base: CompactRange | None = None) -> TreeStore:
    tree = TreeStore.build(evidence.journal(), base=base)
    reader = JournalReader(evidence.journal(), start_index=tree.size)
    while tree.advance(reader, 100):
        pass
    return tree


def tree_of(size: int) -> CompactRange:
    tree = CompactRange()
    tree.extend([leaf_hash(record(index)) for index in range(size)])
    return tree


def prove(tree: TreeStore, index: int, size: int) -> None:
    path = inclusion_proof(index, size, tree.node)
    root = root_of([leaf_hash(record(at)) for at in range(size)])
    verify_inclusion(index=index, size=size, leaf=leaf_hash(record(index)), path=path, root=root)


def test_the_tree_is_that_of_the_records(evidence: Evidence) -> None:
    """Checkpoints sign this root."""
    tree = built(evidence)
    assert (tree.size, tree.root()) == (RECORDS, tree_of(RECORDS).root())


@pytest.mark.parametrize("index", [0, 255, 256, 777, RECORDS - 1])
@pytest.mark.parametrize("size", [RECORDS, 1025, 1024])
def test_proofs_come_from_the_files(evidence: Evidence, index: int, size: int) -> None:
    """A proof for any record and any signed size."""
    tree = built(evidence)
    if index < size:
        prove(tree, index, size)


def test_a_store_is_resumed_where_it_was_signed(evidence: Evidence) -> None:
    """A restart must not read the journal from its beginning."""
    tree = built(evidence)
    tree.sync()
    tree.close()
    signed = tree_of(1000)
    again = TreeStore.open(evidence.journal(), size=1000, root=signed.root())
    assert again is not None
    assert again.size == 1000
    assert again.advance(JournalReader(evidence.journal(), start_index=1000)) == RECORDS - 1000
    assert again.root() == tree_of(RECORDS).root()


@pytest.mark.parametrize(("size", "root"), [(1000, bytes(32)), (RECORDS + 1, bytes(32))])
def test_a_store_of_another_tree_is_not_resumed(evidence: Evidence, size: int, root: bytes) -> None:
    """Going on from a wrong state would sign a fork."""
    built(evidence).close()
    assert TreeStore.open(evidence.journal(), size=size, root=root) is None


@pytest.mark.parametrize("index", [0, 1, 255, 256, 300, 599, 600, RECORDS - 1])
def test_a_record_is_found_by_its_index(evidence: Evidence, index: int) -> None:
    """A proof carries the record itself."""
    tree = built(evidence)
    assert tree.record(index) == record(index)
    pack_segments(evidence.journal(), before=START + timedelta(days=3))
    assert tree.record(index) == record(index)


def test_a_record_that_is_not_the_one_in_the_tree_is_not_given(evidence: Evidence) -> None:
    """A proof of a replaced record must never leave."""
    tree = built(evidence)
    evidence.forge(lambda _, records: [one.replace(b"record 5 ", b"record 6 ") for one in records])
    with pytest.raises(JournalDamagedError, match="not the one in the tree"):
        tree.record(5)


def test_a_record_that_was_removed_is_said_to_be(evidence: Evidence) -> None:
    """Retention is not damage."""
    tree = built(evidence)
    evidence.segment(0).unlink()
    with pytest.raises(RecordsPrunedError):
        tree.record(5)


@pytest.mark.parametrize("base", [1, 255, 256, 257, 512, 700])
def test_a_store_can_begin_after_removed_records(evidence: Evidence, base: int) -> None:
    """After a loss of these files in a pruned journal the rest must stay provable."""
    tree = built(evidence, tree_of(base))
    assert tree.root() == tree_of(RECORDS).root()
    for index in (base, base + 1, 767, 768, RECORDS - 1):
        prove(tree, index, RECORDS)
        assert tree.record(index) == record(index)
    if base > 1:  # the first leaf alone is itself a hash of the base
        with pytest.raises(RecordsPrunedError):
            prove(tree, 0, RECORDS)
    with pytest.raises(RecordsPrunedError):
        tree.record(0)
    tree.sync()
    tree.close()
    again = TreeStore.open(evidence.journal(), size=1100, root=tree_of(1100).root())
    assert again is not None
    prove(again, base, 1100)


def test_leaves_out_of_order_are_refused(evidence: Evidence) -> None:
    """A gap in the tree could never be closed."""
    tree = built(evidence)
    block = JournalReader(evidence.journal()).read_leaves()
    assert block is not None
    with pytest.raises(ValueError, match="leaves"):
        tree.append(block)


def test_a_broken_base_is_not_resumed(evidence: Evidence) -> None:
    """What cannot be read is built again."""
    built(evidence, tree_of(300)).close()
    (evidence.journal() / "tree" / "base").write_text("{}")
    assert TreeStore.open(evidence.journal(), size=1100, root=tree_of(1100).root()) is None
