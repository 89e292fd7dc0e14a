r"""Checkpoints on disk: every one ever signed for a journal, and their copies in a witness directory.

```
checkpoints/<size of the first one, 20 digits>.notes
  16 bytes  b"dancu notes   1\n"
  n frames  as in a segment; each payload is one signed note, UTF-8; sizes only grow
checkpoints/checkpoint     the latest note, plain text, replaced whole
checkpoints/pruned         where retention removed records: the signed head of what was removed, replaced whole
```
A notes file that has grown past 1 MiB is followed by another. A note is made once it is synced; a torn tail was never
handed out and is cut. The witness directory holds the same files under `<origin>/`, and only ever more of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from zlib import crc32

from adapters.journal.disk import Disk, OsDisk, read_all
from adapters.journal.errors import JournalDamagedError, JournalError
from adapters.journal.frames import Scanned, check_size, encode, payloads, scan
from adapters.journal.whole_files import read_file_if_there, replace_file
from gateway.audit.checkpoints import Checkpoint, read_checkpoint

CHECKPOINTS_FOLDER = "checkpoints"
LATEST_NAME = "checkpoint"
PRUNED_NAME = "pruned"
NOTES_MAGIC = b"dancu notes   1\n"
NOTES_FILE_BYTES = 1 << 20

_NAME = re.compile(r"(\d{20})\.notes")


class WitnessConflictError(JournalError):
    """The witness holds checkpoints this journal has not made: it was rolled back, or somebody else signs for it."""


@dataclass(slots=True)
class _Tail:
    """The notes file that is appended to."""

    path: Path
    length: int
    chain: int


class CheckpointFiles:
    """The checkpoints of one journal. One process appends; anybody may read."""

    def __init__(self, *, folder: Path, disk: Disk, file_bytes: int, tail: _Tail | None, latest: str | None) -> None:
        self._folder = folder
        self._file_bytes = file_bytes
        self._disk = disk
        self._tail = tail
        self._latest = latest

    @classmethod
    def open(cls, journal: Path, *, disk: Disk | None = None, file_bytes: int = NOTES_FILE_BYTES) -> Self:
        """Open for appending; `journal` is the journal's directory. Cuts a torn tail.

        A notes file that has reached `file_bytes` is followed by another.

        Raises `JournalDamagedError` where the last notes file is not one, and `OSError`.
        """
        disk = disk if disk is not None else OsDisk()
        folder = journal / CHECKPOINTS_FOLDER
        disk.make_directory(folder)
        names = notes_names(disk, folder)
        if not names:
            return cls(folder=folder, disk=disk, file_bytes=file_bytes, tail=None, latest=None)
        path = folder / names[-1]
        data = read_all(disk, path)
        scanned = scan_notes(data, path)
        notes = notes_in(data, scanned)
        if scanned.end == len(NOTES_MAGIC):
            latest = _last_of(disk, folder / names[-2]) if len(names) > 1 else None
        else:
            latest = notes[-1]
        tail = _Tail(path, scanned.end, scanned.chain)
        files = cls(folder=folder, disk=disk, file_bytes=file_bytes, tail=tail, latest=latest)
        files._settle(data)
        return files

    @property
    def latest(self) -> str | None:
        """The latest signed note; None before the first."""
        return self._latest

    def append(self, note: str) -> None:
        """Keep a signed checkpoint; it may be handed out once this returns.

        Raises `OSError`: the note is then kept or not, and the next one may be appended. Sizes MUST grow from note to
        note.
        """
        payload = note.encode()
        check_size(payload)
        tail = self._tail
        if tail is None or tail.length >= self._file_bytes:
            tail = self._start_file(read_checkpoint(note))
        encoded = encode([payload], tail.chain)
        fd = self._disk.open(tail.path)
        try:
            # Always from the end of what is known to be there: after a failure the same pages get dirty again.
            self._disk.write(fd, encoded.data, tail.length)
            self._disk.truncate(fd, tail.length + len(encoded.data))
            self._disk.sync(fd)
        finally:
            self._disk.close(fd)
        self._tail = _Tail(tail.path, tail.length + len(encoded.data), encoded.chain)
        self._latest = note
        replace_file(self._disk, self._folder / LATEST_NAME, payload)

    def write_pruned_head(self, note: str) -> None:
        """Keep the signed head of what retention removes; MUST be done before anything is removed."""
        replace_file(self._disk, self._folder / PRUNED_NAME, note.encode())

    def pruned_head(self) -> str | None:
        """The signed note, unverified; None where nothing was ever removed."""
        return read_pruned_head(self._disk, self._folder)

    def _start_file(self, first: Checkpoint) -> _Tail:
        path = self._folder / f"{first.size:020d}.notes"
        replace_file(self._disk, path, NOTES_MAGIC)
        self._tail = _Tail(path, len(NOTES_MAGIC), crc32(NOTES_MAGIC))
        return self._tail

    def _settle(self, data: bytes) -> None:
        """Cut what is torn and write the rest again: the last note may be in the page cache only."""
        tail = self._tail
        assert tail is not None
        fd = self._disk.open(tail.path)
        try:
            self._disk.write(fd, data[: tail.length], 0)
            self._disk.truncate(fd, tail.length)
            self._disk.sync(fd)
        finally:
            self._disk.close(fd)


class WitnessCopy:
    """A second place for the checkpoints of one journal, best on another machine."""

    def __init__(self, *, journal: Path, witness: Path, origin: str, disk: Disk | None = None) -> None:
        self._disk = disk if disk is not None else OsDisk()
        self._source = journal / CHECKPOINTS_FOLDER
        self._target = witness / origin / CHECKPOINTS_FOLDER

    def follow(self) -> None:
        """Copy what the witness lacks.

        Raises `WitnessConflictError` where the witness holds what the journal does not (nothing is copied then, and
        nothing may be signed), `OSError` where either place cannot be reached (the next call catches up).
        """
        self._disk.make_directory(self._target)
        ours, theirs = notes_names(self._disk, self._source), notes_names(self._disk, self._target)
        if theirs and (theirs[-1] not in ours or theirs != ours[: len(theirs)]):
            raise WitnessConflictError(f"{self._target} holds {theirs[-1]}, which {self._source} does not")
        start = max(len(theirs) - 1, 0)
        for name in ours[start:]:
            self._copy(name)
        for name in (LATEST_NAME, PRUNED_NAME):
            data = read_file_if_there(self._disk, self._source / name)
            if data is not None and data != read_file_if_there(self._disk, self._target / name):
                replace_file(self._disk, self._target / name, data)

    def _copy(self, name: str) -> None:
        source, target = self._source / name, self._target / name
        data = read_all(self._disk, source)
        ours = data[: scan_notes(data, source).end]
        fd = self._disk.open(target, create=True)
        try:
            there = self._disk.read(fd, self._disk.size(fd), 0)
            # Without its first bytes, or with a torn end, the copy was cut short by a crash.
            theirs = there[: scan_notes(there, target).end] if there.startswith(NOTES_MAGIC) else b""
            if not ours.startswith(theirs):
                raise WitnessConflictError(f"{target} holds checkpoints that {source} does not")
            if ours != there:
                self._disk.write(fd, ours[len(theirs) :], len(theirs))
                self._disk.truncate(fd, len(ours))
                self._disk.sync(fd)
        finally:
            self._disk.close(fd)
        self._disk.sync_directory(self._target)


def notes_names(disk: Disk, folder: Path) -> list[str]:
    """The notes files of a folder, in order; empty where there is no folder."""
    try:
        return sorted(name for name in disk.names(folder) if _NAME.fullmatch(name))
    except FileNotFoundError:
        return []


def scan_notes(data: bytes, path: Path) -> Scanned:
    """How far a notes file holds notes; raises `JournalDamagedError` where it is not one."""
    if not data.startswith(NOTES_MAGIC):
        raise JournalDamagedError(f"{path}: does not begin as a file of notes")
    return scan(memoryview(data), len(NOTES_MAGIC), crc32(NOTES_MAGIC))


def notes_in(data: bytes, scanned: Scanned) -> list[str]:
    """The notes of a scanned file."""
    return [bytes(one).decode(errors="replace") for one in payloads(memoryview(data), len(NOTES_MAGIC), scanned.end)]


def read_pruned_head(disk: Disk, folder: Path) -> str | None:
    """The pruned head in a checkpoints folder, unverified."""
    data = read_file_if_there(disk, folder / PRUNED_NAME)
    return None if data is None else data.decode(errors="replace")


def read_latest(disk: Disk, folder: Path) -> str | None:
    """The latest note in a checkpoints folder, unverified."""
    data = read_file_if_there(disk, folder / LATEST_NAME)
    return None if data is None else data.decode(errors="replace")


def _last_of(disk: Disk, path: Path) -> str | None:
    data = read_all(disk, path)
    notes = notes_in(data, scan_notes(data, path))
    return notes[-1] if notes else None
