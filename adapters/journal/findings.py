"""What a verification of the evidence can find, and what it says when it finds nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class FindingKind(StrEnum):
    """Each is a reason not to trust the evidence as it lies there."""

    RECORD_CHANGED = "record_changed"
    """Bytes of a record, or of its frame, are not those that were written."""
    RECORDS_REWRITTEN = "records_rewritten"
    """The records are well formed and do not give the root a checkpoint was signed for."""
    RECORDS_MISSING = "records_missing"
    """Fewer records are there than were durable or signed for."""
    SEGMENT_DAMAGED = "segment_damaged"
    """A segment's header or packing is broken, or it contradicts its name or its neighbours."""
    SEGMENT_MISSING = "segment_missing"
    """A segment is gone, and no signed head of a pruned journal says why."""
    SEGMENT_INSERTED = "segment_inserted"
    """Two segments claim one place."""
    JOURNAL_MISSING = "journal_missing"
    """The witness or the ledger knows a journal that is not there."""
    CHECKPOINT_FORGED = "checkpoint_forged"
    """A checkpoint or pruned head no known key signed, or of another journal."""
    CHECKPOINTS_DAMAGED = "checkpoints_damaged"
    """A file of checkpoints is not as it was written."""
    CHECKPOINT_MISSING = "checkpoint_missing"
    """A checkpoint was handed out that the journal no longer has: it was rolled back to an old copy."""
    MARK_DAMAGED = "mark_damaged"
    """The durable mark is gone or broken. Heals when the journal is opened; the records are not concerned."""
    TREE_STORE_DAMAGED = "tree_store_damaged"
    """Stored hashes are wrong while the records are right. They can be built again."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    kind: FindingKind
    origin: str
    message: str
    file: str | None = None
    """Relative to the journal's directory."""
    index: int | None = None
    """First record concerned; where it cannot be told, the first that may be."""


@dataclass(frozen=True, slots=True)
class JournalTotals:
    """What was looked at in one journal."""

    origin: str
    first_index: int = 0
    """First record that is kept; more than 0 after pruning."""
    records: int = 0
    """Records read and hashed."""
    signed_records: int = 0
    """Size of the largest checkpoint that stands: records before it are proved, those after by their receipts only."""
    segments: int = 0
    checkpoints: int = 0
    """Checkpoints whose signature was verified and whose root was compared, each counted once."""
    unsettled_bytes: int = 0
    """Bytes after the durable mark: a batch being written, or the torn tail of a crash."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a verification is in one journal."""

    origin: str
    bytes_done: int
    bytes_total: int
    records: int


@dataclass(slots=True)
class Verification:
    """The outcome."""

    findings: list[Finding] = field(default_factory=list)
    journals: list[JournalTotals] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not self.findings
