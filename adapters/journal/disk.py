"""The few system calls the evidence files rest on, as a port, so that tests can make each of them fail.

Owns the calls; knows nothing of frames, segments or policy. Writes go to an explicit offset. No call is retried here
and no error is softened: after a failed sync the page cache may claim what the disk does not hold, so only the caller
can know what is lost (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020).
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700


class Disk(Protocol):
    """File operations of the evidence files. Every method raises `OSError` on failure."""

    def open(self, path: Path, *, create: bool = False, fresh: bool = False) -> int:
        """Open for reading and writing; `create` makes a missing file, `fresh` demands that it is missing."""

    def open_read(self, path: Path) -> int:
        """Open for reading only."""

    def read(self, fd: int, size: int, offset: int) -> bytes:
        """Up to `size` bytes from `offset`; fewer only at the end of the file."""

    def write(self, fd: int, data: bytes, offset: int) -> None:
        """Write all of `data` at `offset`. On error any part of it may have been written."""

    def sync(self, fd: int) -> None:
        """Return once the file's bytes and size are on disk (fdatasync). After an error nothing may be assumed."""

    def truncate(self, fd: int, length: int) -> None:
        """Set the file's length."""

    def size(self, fd: int) -> int:
        """The file's length in bytes."""

    def close(self, fd: int) -> None:
        """Give the descriptor back; it is gone even when this raises."""

    def rename(self, source: Path, target: Path) -> None:
        """Give `source` the name `target` at once, replacing what had it."""

    def unlink(self, path: Path) -> None:
        """Remove the name."""

    def sync_directory(self, path: Path) -> None:
        """Return once the names in the directory are on disk."""

    def make_directory(self, path: Path) -> None:
        """Create the directory and its parents where missing, durably."""

    def names(self, path: Path) -> list[str]:
        """The names in the directory, in no order."""

    def lock(self, path: Path) -> int:
        """Take an exclusive lock for the life of the returned descriptor; `BlockingIOError` where it is held."""


class OsDisk:
    """The operating system's own calls."""

    def open(self, path: Path, *, create: bool = False, fresh: bool = False) -> int:
        """See `Disk.open`."""
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create or fresh else 0) | (os.O_EXCL if fresh else 0)
        return os.open(path, flags, FILE_MODE)

    def open_read(self, path: Path) -> int:
        """See `Disk.open_read`."""
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self, fd: int, size: int, offset: int) -> bytes:
        """See `Disk.read`."""
        data = os.pread(fd, size, offset)
        if len(data) in (0, size):
            return data
        parts = [data]
        got = len(data)
        while got < size and (data := os.pread(fd, size - got, offset + got)):
            parts.append(data)
            got += len(data)
        return b"".join(parts)

    def write(self, fd: int, data: bytes, offset: int) -> None:
        """See `Disk.write`."""
        written = os.pwrite(fd, data, offset)
        if written == len(data):
            return
        rest = memoryview(data)
        while written < len(data):
            # A disk that fills up accepts a part first; the next call then says why.
            written += os.pwrite(fd, rest[written:], offset + written)

    def sync(self, fd: int) -> None:
        """See `Disk.sync`."""
        os.fdatasync(fd)

    def truncate(self, fd: int, length: int) -> None:
        """See `Disk.truncate`."""
        os.ftruncate(fd, length)

    def size(self, fd: int) -> int:
        """See `Disk.size`."""
        return os.fstat(fd).st_size

    def close(self, fd: int) -> None:
        """See `Disk.close`."""
        os.close(fd)

    def rename(self, source: Path, target: Path) -> None:
        """See `Disk.rename`."""
        os.rename(source, target)  # noqa: PTH104  # one system call, as the port says

    def unlink(self, path: Path) -> None:
        """See `Disk.unlink`."""
        os.unlink(path)  # noqa: PTH108  # one system call, as the port says

    def sync_directory(self, path: Path) -> None:
        """See `Disk.sync_directory`."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            # The sync has said what there is to say; a directory open for reading has nothing to lose by closing.
            with suppress(OSError):
                os.close(fd)

    def make_directory(self, path: Path) -> None:
        """See `Disk.make_directory`."""
        if path.is_dir():
            return
        self.make_directory(path.parent)
        path.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        self.sync_directory(path.parent)

    def names(self, path: Path) -> list[str]:
        """See `Disk.names`."""
        return os.listdir(path)  # noqa: PTH208  # one system call, as the port says

    def lock(self, path: Path) -> int:
        """See `Disk.lock`."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            raise
        return fd


def read_all(disk: Disk, path: Path) -> bytes:
    """The whole file; `FileNotFoundError` where there is none."""
    fd = disk.open_read(path)
    try:
        return disk.read(fd, disk.size(fd), 0)
    finally:
        disk.close(fd)
