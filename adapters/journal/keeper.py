"""Keeps the evidence of one journal: grows its tree, signs checkpoints, makes proofs.

Run by the control process, off the way of any call; every method blocks on files and belongs in a thread. Signs a
checkpoint only if it continues the last one, by construction: the tree is resumed from a state whose root is that
checkpoint's. States, and what is lost if the process dies in each:

| state | lost |
|---|---|
| leaves appended, not synced | they are read from the journal again |
| tree synced, checkpoint not kept | nobody was given the checkpoint; another is signed for a later size |
| checkpoint kept, witness not reached | nothing; the copy catches up |
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import structlog

from adapters.journal.checkpoint_files import CheckpointFiles, WitnessCopy
from adapters.journal.disk import Disk, OsDisk
from adapters.journal.errors import JournalDamagedError
from adapters.journal.reader import JournalReader
from adapters.journal.retention import pack_segments, remove_segments
from adapters.journal.tree_store import TreeStore
from gateway.audit.checkpoints import (
    Checkpoint,
    CheckpointError,
    sign_checkpoint,
    verify_checkpoint,
    verify_pruned_head,
)
from gateway.audit.merkle import (
    EMPTY_ROOT,
    CompactRange,
    ProofError,
    compact_range,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    verify_inclusion,
)
from gateway.audit.notes import NoteError, SignerKey, VerifierKey
from gateway.audit.proofs import InclusionProof

_log = structlog.get_logger()


class NoCheckpointYetError(Exception):
    """No checkpoint covers the record yet; one will within seconds."""


class JournalKeeper:
    """The one keeper of a journal. Thread-safe."""

    def __init__(
        self,
        *,
        journal: Path,
        signers: Callable[[], Sequence[SignerKey]],
        verifiers: Callable[[], Sequence[VerifierKey]],
        witness: Path | None = None,
        disk: Disk | None = None,
    ) -> None:
        """`journal` is the journal's directory, its name the origin. The keys are asked for each time they are needed.

        Nothing is read before the first call.
        """
        self._journal = journal
        self._origin = journal.name
        self._signers = signers
        self._verifiers = verifiers
        self._disk = disk if disk is not None else OsDisk()
        self._copy = None
        if witness is not None:
            self._copy = WitnessCopy(journal=journal, witness=witness, origin=self._origin, disk=self._disk)
        self._lock = threading.RLock()
        self._files: CheckpointFiles | None = None
        self._tree: TreeStore | None = None
        self._reader: JournalReader | None = None
        self._signed: Checkpoint | None = None

    @property
    def origin(self) -> str:
        """Name of the journal."""
        return self._origin

    def advance(self, max_records: int = 1 << 16) -> int:
        """Take up new durable records into the tree, at most about `max_records`; returns how many.

        Raises `JournalDamagedError` where the journal no longer holds what was signed for, `OSError` where a file
        cannot be read or written; either may be tried again.
        """
        with self._lock:
            tree, reader = self._opened()
            return self._or_reopen(lambda: tree.advance(reader, max_records))

    def checkpoint(self) -> str | None:
        """Sign and keep a checkpoint for the tree as it is, and copy it to the witness; returns the latest note.

        None where nothing was recorded yet; the latest one where nothing was added. A witness that cannot be reached
        is logged and caught up with later. Raises `WitnessConflictError` where the witness knows of checkpoints this
        journal has not: nothing is signed then. Raises `OSError` and `JournalDamagedError`.
        """
        with self._lock:
            tree, _ = self._opened()
            assert self._files is not None
            self._follow()
            grown = tree.size > (self._signed.size if self._signed else 0)
            if grown:
                self._or_reopen(lambda: self._sign(tree))
                self._follow()
            return self._files.latest if self._files is not None else None

    def latest(self) -> str | None:
        """The latest signed checkpoint; None before the first."""
        with self._lock:
            self._opened()
            assert self._files is not None
            return self._files.latest

    def inclusion_proof(self, index: int) -> InclusionProof:
        """The proof of one record against the latest checkpoint.

        Raises `NoCheckpointYetError`, `RecordsPrunedError`, `JournalDamagedError` and `OSError`. The proof is checked
        before it is given.
        """
        with self._lock:
            tree, _ = self._opened()
            assert self._files is not None
            note, signed = self._files.latest, self._signed
            if note is None or signed is None or index >= signed.size:
                raise NoCheckpointYetError(f"{self._origin}: no checkpoint covers record {index}")
            record = tree.record(index)
            path = inclusion_proof(index, signed.size, tree.node)
            self._check(index, record, path, signed)
            return InclusionProof(self._origin, index, signed.size, record, tuple(path), note)

    def consistency_proof(self, first: int, second: int) -> list[bytes]:
        """The proof that the tree of `second` records continues that of `first`.

        Raises `NoCheckpointYetError` where no checkpoint covers `second`, `ValueError` for impossible sizes,
        `RecordsPrunedError`, `JournalDamagedError` and `OSError`.
        """
        with self._lock:
            tree, _ = self._opened()
            if second > (self._signed.size if self._signed else 0):
                raise NoCheckpointYetError(f"{self._origin}: no checkpoint covers {second} records")
            return consistency_proof(first, second, tree.node)

    def pack(self, *, before: datetime) -> list[str]:
        """Compress segments whose records are all older than `before`; see `pack_segments`."""
        return pack_segments(self._journal, before=before, disk=self._disk)

    def remove(self, *, before: datetime, keep_from: int) -> list[str]:
        """Remove segments whose records are all older than `before` and before `keep_from`; see `remove_segments`."""
        with self._lock:
            tree, _ = self._opened()
            if self._files is None or self._signed is None:
                return []
            removed = remove_segments(
                self._journal,
                before=before,
                keep_from=keep_from,
                signed=self._signed,
                tree=tree,
                checkpoints=self._files,
                signers=self._signers(),
                disk=self._disk,
            )
            self._follow()
            return removed

    def close(self) -> None:
        """Give up the files; nothing that counts is lost where it is not called."""
        with self._lock:
            self._reset()

    def _opened(self) -> tuple[TreeStore, JournalReader]:
        if self._tree is None or self._reader is None:
            files = CheckpointFiles.open(self._journal, disk=self._disk)
            self._files = files
            self._follow()
            signed = self._read_latest(files)
            tree = self._open_tree(files, signed)
            self._signed = signed
            self._tree = tree
            self._reader = JournalReader(self._journal, start_index=tree.size, disk=self._disk)
        return self._tree, self._reader

    def _read_latest(self, files: CheckpointFiles) -> Checkpoint | None:
        if files.latest is None:
            return None
        try:
            signed = verify_checkpoint(files.latest, self._verifiers())
        except (NoteError, CheckpointError) as error:
            raise JournalDamagedError(f"{self._journal}: the latest checkpoint does not stand: {error}") from error
        if signed.origin != self._origin:
            raise JournalDamagedError(f"{self._journal}: holds a checkpoint of {signed.origin}")
        return signed

    def _open_tree(self, files: CheckpointFiles, signed: Checkpoint | None) -> TreeStore:
        size, root = (signed.size, signed.root) if signed else (0, EMPTY_ROOT)
        tree = TreeStore.open(self._journal, size=size, root=root, disk=self._disk)
        if tree is not None:
            return tree
        _log.warning("journal_tree_rebuilt", origin=self._origin, size=size)
        tree = TreeStore.build(self._journal, base=self._base(files), disk=self._disk)
        reader = JournalReader(self._journal, start_index=tree.size, disk=self._disk)
        while tree.size < size and tree.advance(reader, size - tree.size):
            pass
        if tree.size < size or not _has_root(tree, size, root):
            tree.close()
            raise JournalDamagedError(
                f"{self._journal}: {size} records were signed for, and the journal no longer holds those"
            )
        tree.sync()
        return tree

    def _base(self, files: CheckpointFiles) -> CompactRange | None:
        note = files.pruned_head()
        if note is None:
            return None
        try:
            head = verify_pruned_head(note, self._verifiers())
        except (NoteError, CheckpointError) as error:
            raise JournalDamagedError(f"{self._journal}: the pruned head does not stand: {error}") from error
        if head.origin != self._origin:
            raise JournalDamagedError(f"{self._journal}: holds the pruned head of {head.origin}")
        return head.tree

    def _sign(self, tree: TreeStore) -> None:
        assert self._files is not None
        tree.sync()
        checkpoint = Checkpoint(self._origin, tree.size, tree.root())
        self._files.append(sign_checkpoint(checkpoint, self._signers()))
        self._signed = checkpoint

    def _follow(self) -> None:
        if self._copy is None:
            return
        try:
            self._copy.follow()
        except OSError as error:
            _log.warning("journal_witness_unreachable", origin=self._origin, error=str(error))

    def _check(self, index: int, record: bytes, path: Sequence[bytes], signed: Checkpoint) -> None:
        try:
            verify_inclusion(index=index, size=signed.size, leaf=leaf_hash(record), path=path, root=signed.root)
        except ProofError as error:
            # The record fits its leaf, so a stored hash above it is wrong: build the tree again.
            self._reset()
            TreeStore.build(self._journal, disk=self._disk).close()
            raise JournalDamagedError(f"{self._journal}: the stored tree is damaged and is built again") from error

    def _or_reopen(self, action: Callable[[], int | None]) -> int:
        try:
            return action() or 0
        except (OSError, JournalDamagedError):
            # What the files hold now is not known: start from the last checkpoint again.
            self._reset()
            raise

    def _reset(self) -> None:
        if self._tree is not None:
            self._tree.close()
        self._tree = self._reader = self._files = self._signed = None


def _has_root(tree: TreeStore, size: int, root: bytes) -> bool:
    return compact_range(size, tree.node).root() == root
