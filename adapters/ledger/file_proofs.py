"""`gateway.audit.proof_source.ProofSource` from the files that the control process keeps beside each journal.

Reads only, and only what was synced with a checkpoint, so any process of the machine may do it while the control
process goes on writing. Each proof is checked before it is given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from adapters.journal.checkpoint_files import CHECKPOINTS_FOLDER, read_latest
from adapters.journal.disk import OsDisk
from adapters.journal.errors import JournalDamagedError
from adapters.journal.segments import LOCK_NAME
from adapters.journal.signing_keys import read_verifiers
from adapters.journal.tree_store import RecordsPrunedError, TreeStore
from adapters.ledger.ingest import durable_records
from gateway.audit.checkpoints import Checkpoint, CheckpointError, verify_checkpoint
from gateway.audit.merkle import consistency_proof, inclusion_proof, leaf_hash, verify_inclusion
from gateway.audit.notes import NoteError, VerifierKey
from gateway.audit.proof_source import CheckpointPendingError, ProofNotFoundError, SignedCheckpoint
from gateway.audit.proofs import InclusionProof

T = TypeVar("T")


class FileProofSource:
    """Proofs over the journals of this machine."""

    def __init__(self, *, root: Path, verifiers: Path) -> None:
        """`root` holds one directory for each journal, `verifiers` the public keys that checkpoints were signed with.

        Methods raise `JournalDamagedError`, `OSError` and `KeyFormatError` where files are not what they should be.
        """
        self._root = root
        self._verifiers = verifiers

    async def inclusion(self, origin: str, index: int) -> InclusionProof:
        """See `ProofSource.inclusion`."""
        return await asyncio.to_thread(self._inclusion, origin, index)

    async def consistency(self, origin: str, first_size: int, second_size: int) -> Sequence[bytes]:
        """See `ProofSource.consistency`."""
        return await asyncio.to_thread(self._consistency, origin, first_size, second_size)

    async def checkpoint(self, origin: str) -> SignedCheckpoint:
        """See `ProofSource.checkpoint`."""
        return await asyncio.to_thread(self._checkpoint, origin)

    def _inclusion(self, origin: str, index: int) -> InclusionProof:
        journal = self._journal(origin)
        try:
            signed, note, _ = self._latest(journal, origin)
        except CheckpointPendingError:
            if index < durable_records(journal):
                raise
            raise ProofNotFoundError from None
        if index >= signed.size:
            raise CheckpointPendingError if index < durable_records(journal) else ProofNotFoundError

        def prove(tree: TreeStore) -> InclusionProof:
            record = tree.record(index)
            path = inclusion_proof(index, signed.size, tree.node)
            verify_inclusion(index=index, size=signed.size, leaf=leaf_hash(record), path=path, root=signed.root)
            return InclusionProof(origin, index, signed.size, record, tuple(path), note)

        return _with_tree(journal, signed, prove)

    def _consistency(self, origin: str, first_size: int, second_size: int) -> Sequence[bytes]:
        journal = self._journal(origin)
        signed, _, _ = self._latest(journal, origin)
        if second_size > signed.size:
            raise CheckpointPendingError
        return _with_tree(journal, signed, lambda tree: consistency_proof(first_size, second_size, tree.node))

    def _checkpoint(self, origin: str) -> SignedCheckpoint:
        signed, note, keys = self._latest(self._journal(origin), origin)
        return SignedCheckpoint(signed.size, note, tuple(map(str, keys)))

    def _journal(self, origin: str) -> Path:
        journal = self._root / origin
        if not (journal / LOCK_NAME).exists():
            raise ProofNotFoundError
        return journal

    def _latest(self, journal: Path, origin: str) -> tuple[Checkpoint, str, Sequence[VerifierKey]]:
        note = read_latest(OsDisk(), journal / CHECKPOINTS_FOLDER)
        if note is None:
            raise CheckpointPendingError
        keys = read_verifiers(self._verifiers)
        try:
            signed = verify_checkpoint(note, keys)
        except (NoteError, CheckpointError) as error:
            raise JournalDamagedError(f"{origin}: the latest checkpoint does not stand: {error}") from error
        if signed.origin != origin:
            raise JournalDamagedError(f"{origin}: holds a checkpoint of {signed.origin}")
        return signed, note, keys


def _with_tree(journal: Path, signed: Checkpoint, prove: Callable[[TreeStore], T]) -> T:
    tree = TreeStore.open(journal, size=signed.size, root=signed.root)
    if tree is None:
        # It is being built again, from the journal; the keeper says so in the log.
        raise CheckpointPendingError
    with closing(tree):
        try:
            return prove(tree)
        except RecordsPrunedError as error:
            raise ProofNotFoundError from error
