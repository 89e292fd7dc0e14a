"""Compares the tree that records give with what was signed and what was stored.

Fed with leaf hashes in order; knows nothing of segments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.journal.audit_checkpoints import Standing
from adapters.journal.disk import Disk
from adapters.journal.errors import JournalDamagedError
from adapters.journal.tree_store import TREE_FOLDER, level_name, read_base
from gateway.audit.merkle import HASH_BYTES, CompactRange

_WINDOW_TILES = 2048


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A checkpoint whose root the records do not give."""

    standing: Standing
    first_index: int
    """First record that may have been rewritten."""
    exact: bool
    """Whether it is known to be that one."""


class TreeAudit:
    """The growing tree of one journal beside its checkpoints and its stored hashes."""

    def __init__(self, *, start: CompactRange, standing: Sequence[Standing], stored: StoredHashes) -> None:
        """`standing` by size. Those smaller than `start` are not compared here."""
        self._tree = start.copy()
        self._pending = [one for one in standing if one.checkpoint.size >= start.size]
        self._at = 0
        self._stored = stored
        self._good = start.size
        self._odd: int | None = None
        self.mismatch: Mismatch | None = None
        """The first mismatch; nothing is compared after it."""
        self.stored_wrong_at: int | None = None
        """First stored hash that is wrong although the records are right."""
        self.compared = 0
        self._compare_here()

    @property
    def size(self) -> int:
        """Leaves so far."""
        return self._tree.size

    @property
    def signed_size(self) -> int:
        """Size of the largest checkpoint."""
        return self._pending[-1].checkpoint.size if self._pending else 0

    @property
    def unreached(self) -> Standing | None:
        """A checkpoint for more records than there were."""
        return self._pending[-1] if self._at < len(self._pending) else None

    def feed(self, leaves: Sequence[bytes]) -> None:
        """Take the next leaf hashes."""
        odd = self._stored.first_difference(self.size, leaves)
        if self._odd is None:
            self._odd = odd
        at = 0
        while at < len(leaves):
            until = len(leaves)
            if self._at < len(self._pending):
                until = min(until, at + self._pending[self._at].checkpoint.size - self.size)
            self._tree.extend(leaves[at:until], self._stored.compare_tile)
            at = until
            self._compare_here()

    def _compare_here(self) -> None:
        while self._at < len(self._pending) and self._pending[self._at].checkpoint.size == self.size:
            standing = self._pending[self._at]
            self._at += 1
            if self.mismatch is not None:
                continue
            self.compared += 1
            if self._tree.root() == standing.checkpoint.root:
                self._accept()
            else:
                exact = self._odd is not None
                first = self._odd if self._odd is not None else min(self._good, max(self.size - 1, 0))
                self.mismatch = Mismatch(standing, first, exact)

    def _accept(self) -> None:
        """The records up to here are right: a stored hash that differs from theirs is wrong."""
        self._good = self.size
        wrong = self._odd if self._odd is not None else self._stored.wrong_tile_at
        if wrong is not None and wrong < self.size and self.stored_wrong_at is None:
            self.stored_wrong_at = wrong
        self._odd = None


class StoredHashes:
    """The tree store of a journal as far as checkpoints say it was synced; absent files compare as equal."""

    def __init__(self, *, journal: Path, size: int, start: int, disk: Disk) -> None:
        """`size`: of the last checkpoint; `start`: the first leaf that will be fed."""
        self._journal = journal
        self._folder = journal / TREE_FOLDER
        self._disk = disk
        self._size = size
        self._next: dict[int, int] = {}
        self._start = start
        self._windows: dict[int, tuple[int, bytes]] = {}
        self._leaves = self._open(level_name(0)) if size else None
        self.wrong_tile_at: int | None = None
        """First leaf of the first stored subtree hash that is not the one the records give."""

    def close(self) -> None:
        """Give up the files."""
        if self._leaves is not None:
            self._disk.close(self._leaves)
            self._leaves = None

    def blind(self) -> StoredHashes:
        """One that compares nothing."""
        other = StoredHashes(journal=self._journal, size=0, start=0, disk=self._disk)
        other.close()
        return other

    @property
    def first(self) -> int | None:
        """The first leaf that is stored: more than 0 where the store was built after pruning; None where unreadable."""
        try:
            return read_base(self._disk, self._journal).size
        except JournalDamagedError:
            return None

    @property
    def short(self) -> bool:
        """Whether leaf hashes are stored, and fewer than checkpoints were signed for."""
        return self._leaves is not None and self._disk.size(self._leaves) < self._size * HASH_BYTES

    def leaves(self, first: int, last: int) -> list[bytes] | None:
        """The stored leaf hashes `first..last`; None where they are not all there."""
        data = self._read(first, last)
        if len(data) != (last - first) * HASH_BYTES:
            return None
        return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]

    def first_difference(self, first: int, leaves: Sequence[bytes]) -> int | None:
        """Index of the first of these leaves that is stored with another hash."""
        last = min(first + len(leaves), self._size)
        if first >= last:
            return None
        stored = self._read(first, last)
        computed = b"".join(leaves[: last - first])
        if stored == computed[: len(stored)]:
            return None
        for at in range(0, len(stored), HASH_BYTES):
            if stored[at : at + HASH_BYTES] != computed[at : at + HASH_BYTES]:
                return first + at // HASH_BYTES
        return None

    def compare_tile(self, height: int, computed: bytes) -> None:
        """Compare the next complete subtree of that height."""
        tile = self._next.get(height, self._start >> height)
        self._next[height] = tile + 1
        if (tile + 1) << height > self._size or self.wrong_tile_at is not None:
            return
        stored = self._tile(height, tile)
        if len(stored) == HASH_BYTES and stored != computed:
            self.wrong_tile_at = tile << height

    def _tile(self, height: int, tile: int) -> bytes:
        first, data = self._windows.get(height, (0, b""))
        if not first <= tile < first + len(data) // HASH_BYTES:
            first, data = tile, self._read_window(height, tile)
            self._windows[height] = first, data
        return data[(tile - first) * HASH_BYTES : (tile - first + 1) * HASH_BYTES]

    def _read_window(self, height: int, tile: int) -> bytes:
        fd = self._open(level_name(height))
        if fd is None:
            return b""
        try:
            return self._disk.read(fd, _WINDOW_TILES * HASH_BYTES, tile * HASH_BYTES)
        finally:
            self._disk.close(fd)

    def _open(self, name: str) -> int | None:
        try:
            return self._disk.open_read(self._folder / name)
        except FileNotFoundError:
            return None

    def _read(self, first: int, last: int) -> bytes:
        if self._leaves is None:
            return b""
        return self._disk.read(self._leaves, (last - first) * HASH_BYTES, first * HASH_BYTES)
