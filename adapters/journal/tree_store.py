"""The Merkle tree of a journal on disk, so that proofs and checkpoints cost O(log n) reads.

```
tree/level-00          leaf hashes, 32 bytes each, at index * 32
tree/level-08, -16...  hashes of complete subtrees of 256, 65,536... leaves, at index * 32
tree/places            for every 256th record: segment sequence, record index, byte offset (8 bytes each, little endian)
tree/base              only where the first records were gone when the store was built: size and compact range, JSON
```
All of it can be built again from the journal, so nothing here is evidence. What was not synced with a checkpoint is
forgotten at the next start and computed again.
"""

from __future__ import annotations

import json
import struct
from collections import defaultdict
from pathlib import Path
from typing import Self

from adapters.journal.disk import Disk, OsDisk
from adapters.journal.errors import JournalDamagedError
from adapters.journal.frames import FRAME_HEADER_BYTES, MAX_RECORD_BYTES
from adapters.journal.reader import JournalReader, LeafBlock
from adapters.journal.segments import segments_of
from adapters.journal.whole_files import read_file_if_there, replace_file
from gateway.audit.merkle import (
    HASH_BYTES,
    TILE_HEIGHT,
    CompactRange,
    compact_range,
    complete_nodes,
    leaf_hash,
    node_hash,
    pair_up,
)

TREE_FOLDER = "tree"

_TILE = 1 << TILE_HEIGHT
_PLACE = struct.Struct("<QQQ")
_PLACES_NAME = "places"
_BASE_NAME = "base"
_FIRST_READ_BYTES = 1 << 16


class RecordsPrunedError(Exception):
    """What is asked about was removed by retention before this store was built."""


def level_name(height: int) -> str:
    """File name of the hashes of one height."""
    return f"level-{height:02d}"


class TreeStore:
    """The tree over the first `size` records. One process writes it; any number may read what was synced."""

    def __init__(self, *, journal: Path, disk: Disk, base: CompactRange, state: CompactRange) -> None:
        self._journal = journal
        self._folder = journal / TREE_FOLDER
        self._disk = disk
        self._base = base
        self._base_nodes = dict(zip(complete_nodes(0, base.size), base.hashes, strict=True))
        self._state = state
        self._files: dict[str, int] = {}

    @classmethod
    def open(cls, journal: Path, *, size: int, root: bytes, disk: Disk | None = None) -> Self | None:
        """The store as it was synced at `size`; None where it does not hold a tree of that size and root.

        `journal` is the journal's directory. Whatever goes beyond `size` counts as not there.
        """
        disk = disk if disk is not None else OsDisk()
        disk.make_directory(journal / TREE_FOLDER)
        try:
            base = read_base(disk, journal)
            store = cls(journal=journal, disk=disk, base=base, state=base)
            if size < base.size:
                return None
            store._state = compact_range(size, store.node)
        except (JournalDamagedError, RecordsPrunedError):
            return None
        return store if store.root() == root else None

    @classmethod
    def build(cls, journal: Path, *, base: CompactRange | None = None, disk: Disk | None = None) -> Self:
        """An empty store, or one that begins after the records `base` stands for; what was there before is dropped."""
        disk = disk if disk is not None else OsDisk()
        folder = journal / TREE_FOLDER
        disk.make_directory(folder)
        for name in disk.names(folder):
            disk.unlink(folder / name)
        disk.sync_directory(folder)
        base = base if base is not None else CompactRange()
        if base.size:
            fields = {"size": base.size, "hashes": [one.hex() for one in base.hashes]}
            replace_file(disk, folder / _BASE_NAME, json.dumps(fields).encode())
        return cls(journal=journal, disk=disk, base=base, state=base.copy())

    @property
    def size(self) -> int:
        """How many records the tree covers."""
        return self._state.size

    def root(self) -> bytes:
        """The root at `size`."""
        return self._state.root()

    def state(self) -> CompactRange:
        """The compact range at `size`."""
        return self._state.copy()

    def append(self, block: LeafBlock) -> None:
        """Add the next records' leaves. Raises `OSError`, after which the store MUST be opened again."""
        if block.first_index != self.size:
            raise ValueError(f"the tree has {self.size} leaves, the block begins with {block.first_index}")
        before = self.size
        tiles: dict[int, list[bytes]] = defaultdict(list)
        self._write(level_name(0), before * HASH_BYTES, b"".join(block.leaf_hashes))
        self._state.extend(block.leaf_hashes, lambda height, one: tiles[height].append(one))
        for height, hashes in tiles.items():
            self._write(level_name(height), (before >> height) * HASH_BYTES, b"".join(hashes))
        for index in range(before, self.size):
            if index % _TILE == 0 or index == self._base.size:
                place = _PLACE.pack(block.sequence, index, block.offsets[index - before])
                self._write(_PLACES_NAME, index // _TILE * _PLACE.size, place)

    def advance(self, reader: JournalReader, max_records: int = 1 << 16) -> int:
        """Take up what the reader has, at most about `max_records`; returns how many. Raises as both do."""
        before = self.size
        while self.size - before < max_records:
            block = reader.read_leaves()
            if block is None:
                break
            self.append(block)
        return self.size - before

    def sync(self) -> None:
        """Return once all that was appended is on disk. Raises `OSError`: then the store MUST be opened again."""
        for fd in self._files.values():
            self._disk.sync(fd)
        self._disk.sync_directory(self._folder)

    def close(self) -> None:
        """Give up the files; syncs nothing."""
        while self._files:
            self._disk.close(self._files.popitem()[1])

    def node(self, level: int, index: int) -> bytes:
        """The hash of a complete node: a `NodeSource`.

        Raises `RecordsPrunedError` for what lies before the store's base, `JournalDamagedError` where hashes are
        missing.
        """
        height = level - level % TILE_HEIGHT
        width = level - height
        first, last = index << width, (index + 1) << width
        if first >= self._base.size >> height and (height or first >= self._base.size):
            hashes = self._read_level(height, first, last)
            while len(hashes) > 1:
                hashes = pair_up(hashes)
            return hashes[0]
        known = self._base_nodes.get((level, index))
        if known is not None:
            return known
        if (index + 1) << level <= self._base.size:
            raise RecordsPrunedError(f"the hashes of the records before {self._base.size} are gone")
        return node_hash(self.node(level - 1, 2 * index), self.node(level - 1, 2 * index + 1))

    def leaves(self, first: int, last: int) -> bytes:
        """The stored leaf hashes `first..last`, one after the other; shorter where fewer are stored."""
        return self._read(level_name(0), first * HASH_BYTES, (last - first) * HASH_BYTES)

    def record(self, index: int) -> bytes:
        """The stored bytes of one record, compared with its leaf hash.

        Raises `RecordsPrunedError` where retention removed it, `JournalDamagedError` where it is not what the tree
        says.
        """
        if not 0 <= index < self.size:
            raise ValueError(f"the tree has {self.size} leaves")
        data = self._read(_PLACES_NAME, index // _TILE * _PLACE.size, _PLACE.size)
        if len(data) < _PLACE.size or index < self._base.size:
            raise RecordsPrunedError(f"record {index} is not in reach")
        sequence, first_index, offset = _PLACE.unpack(data)
        leaf = self.node(0, index)
        record = self._find(sequence, offset, index - first_index)
        if record is None or leaf_hash(record) != leaf:
            # The tile may begin in the segment before, whose end only a reader knows.
            record = self._find_by_reading(index)
        if leaf_hash(record) != leaf:
            raise JournalDamagedError(f"{self._journal}: record {index} is not the one in the tree")
        return record

    def _find(self, sequence: int, offset: int, skip: int) -> bytes | None:
        """The record `skip` frames after `offset`, where it lies in that plain segment."""
        for name in segments_of(self._disk.names(self._journal)):
            if name.sequence == sequence and not name.archived:
                fd = self._disk.open_read(self._journal / str(name))
                break
        else:
            return None
        try:
            window = _FIRST_READ_BYTES
            while True:
                view = memoryview(self._disk.read(fd, window, offset))
                found = _nth_payload(view, skip)
                if found is not None or len(view) < window or window > _TILE * MAX_RECORD_BYTES:
                    return found
                window *= 4
        finally:
            self._disk.close(fd)

    def _find_by_reading(self, index: int) -> bytes:
        try:
            records = JournalReader(self._journal, start_index=index, disk=self._disk).read(1)
        except JournalDamagedError as error:
            first = min((name.first_index for name in segments_of(self._disk.names(self._journal))), default=0)
            if index < first:
                raise RecordsPrunedError(f"record {index} was removed") from error
            raise
        if not records:
            raise JournalDamagedError(f"{self._journal}: record {index} is not there")
        return records[0].data

    def _read_level(self, height: int, first: int, last: int) -> list[bytes]:
        data = self._read(level_name(height), first * HASH_BYTES, (last - first) * HASH_BYTES)
        if len(data) != (last - first) * HASH_BYTES:
            raise JournalDamagedError(f"{self._folder / level_name(height)}: hashes are missing")
        return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]

    def _read(self, name: str, offset: int, size: int) -> bytes:
        fd = self._file(name)
        return self._disk.read(fd, size, offset)

    def _write(self, name: str, offset: int, data: bytes) -> None:
        self._disk.write(self._file(name), data, offset)

    def _file(self, name: str) -> int:
        fd = self._files.get(name)
        if fd is None:
            fd = self._files[name] = self._disk.open(self._folder / name, create=True)
        return fd


def read_base(disk: Disk, journal: Path) -> CompactRange:
    """What a journal's store stands on: the records that were gone when it was built. `JournalDamagedError`."""
    path = journal / TREE_FOLDER / _BASE_NAME
    data = read_file_if_there(disk, path)
    if data is None:
        return CompactRange()
    try:
        fields = json.loads(data)
        return CompactRange(int(fields["size"]), [bytes.fromhex(one) for one in fields["hashes"]])
    except (ValueError, KeyError, TypeError) as error:
        raise JournalDamagedError(f"{path}: not understood") from error


def _nth_payload(view: memoryview, skip: int) -> bytes | None:
    position = 0
    while position + FRAME_HEADER_BYTES <= len(view):
        length = int.from_bytes(view[position + 4 : position + FRAME_HEADER_BYTES], "little")
        end = position + FRAME_HEADER_BYTES + length
        if skip == 0:
            return bytes(view[position + FRAME_HEADER_BYTES : end]) if end <= len(view) else None
        position = end
        skip -= 1
    return None
