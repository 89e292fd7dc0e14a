"""First half of verifying a journal: which checkpoints stand, in the journal and at the witness.

The order of reading matters on a running installation: the witness is written after the journal, the latest note after
the log of all. So what is written last is read first, and everything read must be found again in what is read later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adapters.journal.checkpoint_files import (
    CHECKPOINTS_FOLDER,
    LATEST_NAME,
    PRUNED_NAME,
    notes_in,
    notes_names,
    read_latest,
    read_pruned_head,
    scan_notes,
)
from adapters.journal.disk import Disk, read_all
from adapters.journal.errors import JournalDamagedError
from adapters.journal.findings import Finding, FindingKind
from adapters.journal.frames import Flaw
from gateway.audit.checkpoints import Checkpoint, CheckpointError, PrunedHead, verify_checkpoint, verify_pruned_head
from gateway.audit.notes import NoteError, VerifierKey


@dataclass(frozen=True, slots=True)
class Standing:
    """A checkpoint whose signature stands."""

    checkpoint: Checkpoint
    file: str


@dataclass(slots=True)
class CheckpointAudit:
    """What was found about the checkpoints of one journal."""

    standing: list[Standing] = field(default_factory=list)
    """By size; one of each text."""
    pruned: PrunedHead | None = None
    findings: list[Finding] = field(default_factory=list)


def audit_checkpoints(
    *, journal: Path, witness: Path | None, keys: Sequence[VerifierKey], disk: Disk
) -> CheckpointAudit:
    """Read and verify every checkpoint; `witness` is the witness directory of all journals. Raises `OSError`."""
    return _Auditor(journal.name, keys, disk).run(journal, witness)


class _Auditor:
    def __init__(self, origin: str, keys: Sequence[VerifierKey], disk: Disk) -> None:
        self._origin = origin
        self._keys = keys
        self._disk = disk
        self._seen: dict[str, Standing | None] = {}
        self._audit = CheckpointAudit()

    def run(self, journal: Path, witness: Path | None) -> CheckpointAudit:
        folder = journal / CHECKPOINTS_FOLDER
        witnessed: list[tuple[str, str]] = []
        heads: list[tuple[str, str]] = []
        if witness is not None:
            their_folder = witness / self._origin / CHECKPOINTS_FOLDER
            witnessed = [*self._latest(their_folder, "witness/"), *self._log(their_folder, "witness/")]
            heads += self._head(their_folder, "witness/")
        latest = list(self._latest(folder, ""))
        log = list(self._log(folder, ""))
        heads += self._head(folder, "")
        kept = {note for _, note in log}
        for file, note in [*log, *latest, *witnessed]:
            self._check(file, note)
        for file, note in latest:
            if note not in kept and self._seen[note] is not None:
                self._add(FindingKind.CHECKPOINTS_DAMAGED, file, "the latest checkpoint is not among those kept")
        self._check_witnessed(witnessed, kept)
        for file, note in heads:
            self._check_head(file, note)
        found = (standing for standing in self._seen.values() if standing is not None)
        self._audit.standing = sorted(found, key=lambda standing: standing.checkpoint.size)
        return self._audit

    def _latest(self, folder: Path, prefix: str) -> Iterator[tuple[str, str]]:
        note = read_latest(self._disk, folder)
        if note is not None:
            yield f"{prefix}{CHECKPOINTS_FOLDER}/{LATEST_NAME}", note

    def _head(self, folder: Path, prefix: str) -> Iterator[tuple[str, str]]:
        note = read_pruned_head(self._disk, folder)
        if note is not None:
            yield f"{prefix}{CHECKPOINTS_FOLDER}/{PRUNED_NAME}", note

    def _log(self, folder: Path, prefix: str) -> Iterator[tuple[str, str]]:
        names = notes_names(self._disk, folder)
        for name in names:
            file = f"{prefix}{CHECKPOINTS_FOLDER}/{name}"
            data = read_all(self._disk, folder / name)
            try:
                scanned = scan_notes(data, folder / name)
            except JournalDamagedError:
                if data:
                    self._add(FindingKind.CHECKPOINTS_DAMAGED, file, "does not begin as a file of notes")
                continue
            # The last file may be met while a note is being written, or after a crash that cut one short.
            if scanned.flaw is not None and not (scanned.flaw is Flaw.TORN and name == names[-1]):
                self._add(FindingKind.CHECKPOINTS_DAMAGED, file, f"at byte {scanned.end}: {scanned.flaw.value}")
            for note in notes_in(data, scanned):
                yield file, note

    def _check(self, file: str, note: str) -> None:
        if note in self._seen:
            return
        self._seen[note] = None
        try:
            checkpoint = verify_checkpoint(note, self._keys)
        except (NoteError, CheckpointError) as error:
            self._add(FindingKind.CHECKPOINT_FORGED, file, f"a checkpoint does not stand: {error}")
            return
        if checkpoint.origin != self._origin:
            self._add(FindingKind.CHECKPOINT_FORGED, file, f"holds a checkpoint of journal {checkpoint.origin}")
            return
        self._seen[note] = Standing(checkpoint, file)

    def _check_witnessed(self, witnessed: list[tuple[str, str]], kept: set[str]) -> None:
        lost = [standing for _, note in witnessed if note not in kept and (standing := self._seen[note]) is not None]
        if lost:
            smallest = min(standing.checkpoint.size for standing in lost)
            count = len({standing.checkpoint for standing in lost})
            self._add(
                FindingKind.CHECKPOINT_MISSING,
                lost[0].file,
                f"the witness has {count} checkpoints that the journal has not, from size {smallest} on",
            )

    def _check_head(self, file: str, note: str) -> None:
        try:
            head = verify_pruned_head(note, self._keys)
        except (NoteError, CheckpointError) as error:
            self._add(FindingKind.CHECKPOINT_FORGED, file, f"the pruned head does not stand: {error}")
            return
        if head.origin != self._origin:
            self._add(FindingKind.CHECKPOINT_FORGED, file, f"holds the pruned head of journal {head.origin}")
        elif self._audit.pruned is None or head.tree.size > self._audit.pruned.tree.size:
            self._audit.pruned = head

    def _add(self, kind: FindingKind, file: str, message: str) -> None:
        self._audit.findings.append(Finding(kind, self._origin, message, file))
