"""`dancu audit verify`: recompute everything and compare it with everything that was ever signed.

Reads only, on a running or a stopped installation. What it finds and what it cannot find: any record that a checkpoint
covers cannot be edited, removed, inserted or moved unnoticed, unless every copy of the later checkpoints was replaced
by ones signed with the stolen key; the witness holds such copies elsewhere. Records after the last checkpoint (a few
seconds' worth) are proved by their receipts only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from adapters.journal.audit_checkpoints import CheckpointAudit, audit_checkpoints
from adapters.journal.audit_segments import Leaves, SegmentAudit
from adapters.journal.audit_tree import StoredHashes, TreeAudit
from adapters.journal.checkpoint_files import CHECKPOINTS_FOLDER
from adapters.journal.disk import Disk, OsDisk
from adapters.journal.findings import Finding, FindingKind, JournalTotals, Progress, Verification
from adapters.journal.reader import journals_in
from adapters.journal.signing_keys import read_verifiers
from adapters.journal.tree_store import TREE_FOLDER
from gateway.audit.merkle import CompactRange
from gateway.audit.notes import VerifierKey

WITNESS_KEYS_FOLDER = "keys"
"""Where a witness directory keeps public keys; see `SigningKeys.publish`."""

_REPLAY_LEAVES = 1 << 16

OnProgress = Callable[[Progress], None]


def known_verifiers(keys: Path, witness: Path | None) -> list[VerifierKey]:
    """The public keys to trust: the witness's where it has some, since whoever can forge the journal can forge `keys`.

    Raises `KeyFormatError` and `OSError`.
    """
    theirs = read_verifiers(witness / WITNESS_KEYS_FOLDER) if witness is not None else []
    return theirs or read_verifiers(keys)


def verify(
    root: Path,
    *,
    verifiers: Sequence[VerifierKey],
    witness: Path | None = None,
    ingested: Mapping[str, int] | None = None,
    progress: OnProgress | None = None,
    disk: Disk | None = None,
) -> Verification:
    """Verify every journal under `root`.

    Args:
        root: the directory of the journals, one folder each.
        verifiers: the public keys to trust; see `known_verifiers`.
        witness: the witness directory, whose checkpoints must all be found again.
        ingested: how far the ledger knows each journal, by origin; read before this is called.
        progress: called after every few megabytes.
        disk: the system calls; the operating system's by default.

    Raises `OSError` where a file cannot be read: that is no finding, and no clean bill either.
    """
    disk = disk if disk is not None else OsDisk()
    outcome = Verification()
    journals = journals_in(root)
    for journal in journals:
        audit = _JournalAudit(journal, witness, verifiers, disk, outcome.findings.append)
        outcome.journals.append(audit.run(progress))
    _compare(outcome, ingested or {})
    if witness is not None:
        there = {journal.name for journal in journals} | {found.origin for found in outcome.findings}
        for folder in sorted(witness.iterdir()):
            if (folder / CHECKPOINTS_FOLDER).is_dir() and folder.name not in there:
                message = "the witness has checkpoints of this journal, and it is not there"
                outcome.findings.append(Finding(FindingKind.JOURNAL_MISSING, folder.name, message))
    return outcome


def _compare(outcome: Verification, ingested: Mapping[str, int]) -> None:
    """Hold what is there against what the ledger took in, which was durable by then."""
    totals = {journal.origin: journal for journal in outcome.journals}
    for origin, known in sorted(ingested.items()):
        journal = totals.get(origin)
        if journal is None:
            message = f"the ledger holds records up to {known - 1} of this journal, and it is not there"
            outcome.findings.append(Finding(FindingKind.JOURNAL_MISSING, origin, message))
            continue
        size = journal.first_index + journal.records
        # Until a journal is opened again after a power cut its last records may be there and not be counted yet.
        if size < known and not journal.unsettled_bytes:
            message = f"the ledger holds records up to {known - 1}, {size} are there"
            outcome.findings.append(Finding(FindingKind.RECORDS_MISSING, origin, message, index=size))


class _JournalAudit:
    def __init__(
        self,
        journal: Path,
        witness: Path | None,
        keys: Sequence[VerifierKey],
        disk: Disk,
        report: Callable[[Finding], None],
    ) -> None:
        self._journal = journal
        self._origin = journal.name
        self._disk = disk
        self._report = report
        # Before the records: what was signed is then among those that are read.
        self._signed: CheckpointAudit = audit_checkpoints(journal=journal, witness=witness, keys=keys, disk=disk)
        for finding in self._signed.findings:
            report(finding)
        self._records = 0

    def run(self, progress: OnProgress | None) -> JournalTotals:
        segments = SegmentAudit(journal=self._journal, disk=self._disk, report=self._report)
        standing = self._signed.standing
        size = standing[-1].checkpoint.size if standing else 0
        start = self._start(segments)
        stored = StoredHashes(journal=self._journal, size=size, start=start.size, disk=self._disk)
        try:
            self._replay(start, stored)
            tree = TreeAudit(start=start, standing=standing, stored=stored)
            self._walk(segments, tree, progress)
            self._conclude(segments, tree, stored)
        finally:
            stored.close()
        return JournalTotals(
            origin=self._origin,
            first_index=segments.segments[0].first_index if segments.segments else 0,
            records=self._records,
            signed_records=size,
            segments=len(segments.segments),
            checkpoints=tree.compared,
            unsettled_bytes=segments.unsettled_bytes,
        )

    def _start(self, segments: SegmentAudit) -> CompactRange:
        """The tree of what is not there any more, as far as a signed head vouches for it."""
        first = segments.segments[0].first_index if segments.segments else 0
        head = self._signed.pruned
        if head is not None and head.tree.size >= first > 0:
            return head.tree
        if first > 0:
            message = f"the records before {first} are gone, and no signed head of a pruned journal says so"
            name = str(segments.segments[0])
            index = head.tree.size if head is not None else 0
            self._report(Finding(FindingKind.SEGMENT_MISSING, self._origin, message, name, index))
            segments.lose_place()
        return CompactRange()

    def _replay(self, start: CompactRange, stored: StoredHashes) -> None:
        """Prove the checkpoints of removed records from the leaf hashes that were kept of them."""
        old = [one for one in self._signed.standing if one.checkpoint.size <= start.size]
        if not old or not start.size or stored.first:
            return
        tree = CompactRange()
        audit = TreeAudit(start=tree, standing=old, stored=stored.blind())
        while tree.size < start.size:
            leaves = stored.leaves(tree.size, min(start.size, tree.size + _REPLAY_LEAVES))
            if leaves is None:
                return
            audit.feed(leaves)
            tree.extend(leaves)
        if audit.mismatch is not None or tree.root() != start.root():
            message = "the stored hashes of removed records do not give the roots that were signed"
            self._report(Finding(FindingKind.TREE_STORE_DAMAGED, self._origin, message, TREE_FOLDER))

    def _walk(self, segments: SegmentAudit, tree: TreeAudit, progress: OnProgress | None) -> None:
        total = segments.bytes_total() if progress is not None else 0
        done, segment, before = 0, "", 0
        for leaves in segments.walk():
            self._take(leaves, tree)
            if progress is not None:
                if leaves.segment != segment:
                    done, segment, before = done + before, leaves.segment, 0
                before = leaves.bytes_read
                progress(Progress(self._origin, min(done + before, total), total, self._records))

    def _take(self, leaves: Leaves, tree: TreeAudit) -> None:
        found = leaves.leaf_hashes
        if not leaves.settled:
            # Perhaps void: only as many as were signed for, which happens after a power cut took the mark's last state.
            found = found[: max(tree.signed_size - leaves.first_index, 0)]
        self._records += len(found)
        # A pruned journal may still hold segments from before its head.
        found = found[max(tree.size - leaves.first_index, 0) :]
        if leaves.placed and found:
            tree.feed(found)

    def _conclude(self, segments: SegmentAudit, tree: TreeAudit, stored: StoredHashes) -> None:
        mismatch = tree.mismatch
        if mismatch is not None:
            size, index = mismatch.standing.checkpoint.size, mismatch.first_index
            where = f"record {index}" if mismatch.exact else f"one of the records {index} to {size - 1}"
            message = f"{where} is not what the checkpoint of size {size} was signed for ({mismatch.standing.file})"
            file = segments.file_of(index)
            self._report(Finding(FindingKind.RECORDS_REWRITTEN, self._origin, message, file, index))
        elif tree.unreached is not None and segments.placed:
            size = tree.unreached.checkpoint.size
            message = f"{size} records were signed for, {tree.size} are there ({tree.unreached.file})"
            file = segments.file_of(tree.size)
            self._report(Finding(FindingKind.RECORDS_MISSING, self._origin, message, file, tree.size))
        if tree.stored_wrong_at is not None or stored.short or stored.first is None:
            message = "stored hashes are wrong or missing while the records are right; they can be built again"
            at = tree.stored_wrong_at
            self._report(Finding(FindingKind.TREE_STORE_DAMAGED, self._origin, message, TREE_FOLDER, at))
