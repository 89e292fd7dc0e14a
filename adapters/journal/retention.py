"""Retention: whole segments past an age are packed or removed, and the rest of the journal stays provable.

Never touches the last segment, which a worker may be writing. Packing keeps every record; removing keeps every leaf
hash (in the tree store), so that a receipt of a removed record still proves that it was there, and a signed head of
what was removed, without which a missing beginning counts as tampering. Dying anywhere loses nothing: a packed segment
is complete before the plain one goes, and the head is on disk before the first segment goes.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from adapters.journal.checkpoint_files import CheckpointFiles
from adapters.journal.disk import Disk, OsDisk, read_all
from adapters.journal.errors import JournalDamagedError
from adapters.journal.segments import SegmentName, read_header, segments_of
from adapters.journal.tree_store import TreeStore
from adapters.journal.whole_files import replace_file
from gateway.audit.checkpoints import Checkpoint, PrunedHead, sign_pruned_head
from gateway.audit.merkle import ProofError, compact_range, consistency_proof, verify_consistency
from gateway.audit.notes import SignerKey

_LEVEL = 6


@dataclass(frozen=True, slots=True)
class _Aged:
    """A segment whose every record is older than the time asked for."""

    name: SegmentName
    length: int
    """Its valid bytes."""
    next_index: int


def pack_segments(journal: Path, *, before: datetime, disk: Disk | None = None) -> list[str]:
    """Compress the plain segments whose records are all older than `before`; returns their new names.

    Raises `OSError` and `JournalDamagedError`; may be called again after that.
    """
    disk = disk if disk is not None else OsDisk()
    packed: list[str] = []
    for aged in _aged(disk, journal, before):
        if aged.name.archived:
            continue
        name = SegmentName(aged.name.sequence, aged.name.first_index, archived=True)
        data = read_all(disk, journal / str(aged.name))[: aged.length]
        if len(data) < aged.length:
            raise JournalDamagedError(f"{aged.name}: {aged.length} bytes were durable, {len(data)} are there")
        # Without a time in it, packing twice gives the same file.
        replace_file(disk, journal / str(name), gzip.compress(data, _LEVEL, mtime=0))
        disk.unlink(journal / str(aged.name))
        disk.sync_directory(journal)
        packed.append(str(name))
    return packed


def remove_segments(
    journal: Path,
    *,
    before: datetime,
    keep_from: int,
    signed: Checkpoint,
    tree: TreeStore,
    checkpoints: CheckpointFiles,
    signers: Sequence[SignerKey],
    disk: Disk | None = None,
) -> list[str]:
    """Remove segments whose records are all older than `before`; returns the names of what went.

    Nothing goes that holds records from `keep_from` on (the first one the ledger has not taken in) or that no
    checkpoint covers (`signed` is the latest one, and `tree` covers it). Raises `OSError`, `JournalDamagedError` and
    `RecordsPrunedError`; may be called again after that.
    """
    disk = disk if disk is not None else OsDisk()
    limit = min(keep_from, signed.size)
    going = [aged for aged in _aged(disk, journal, before) if aged.next_index <= limit]
    if not going:
        return []
    head = PrunedHead(signed.origin, compact_range(going[-1].next_index, tree.node))
    _check_head(head, signed, tree)
    checkpoints.write_pruned_head(sign_pruned_head(head, signers))
    for aged in going:
        for archived in (False, True):
            name = str(SegmentName(aged.name.sequence, aged.name.first_index, archived))
            if name in disk.names(journal):
                disk.unlink(journal / name)
    disk.sync_directory(journal)
    return [str(aged.name) for aged in going]


def _check_head(head: PrunedHead, signed: Checkpoint, tree: TreeStore) -> None:
    """Nothing may go on the word of a stored hash alone: what is signed must be what was signed before."""
    try:
        verify_consistency(
            first=head.tree.size,
            second=signed.size,
            first_root=head.tree.root(),
            second_root=signed.root,
            path=consistency_proof(head.tree.size, signed.size, tree.node),
        )
    except ProofError as error:
        raise JournalDamagedError(f"{signed.origin}: the stored tree is damaged; nothing was removed") from error


def _aged(disk: Disk, journal: Path, before: datetime) -> list[_Aged]:
    """The leading segments that ended before the time: each is older than the header that follows it."""
    segments = segments_of(disk.names(journal))
    found: list[_Aged] = []
    for name, follower in pairwise(segments):
        header = read_header(disk, journal, follower).header
        if header.created_at >= before:
            break
        if header.previous is None or header.previous.sequence != name.sequence:
            raise JournalDamagedError(f"{follower}: does not follow {name}")
        found.append(_Aged(name, header.previous.length, follower.first_index))
    return found
