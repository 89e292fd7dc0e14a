"""Disks that fail: one that loses what was not synced, and one that makes any call of another fail.

`MemoryDisk` is meaner than real ones: at a power cut every unsynced write and every unsynced name survives or not on
its own, writes may survive in part, and after a failed sync the lost bytes still read well and are never written by a
later sync.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from adapters.journal.disk import Disk

_T = TypeVar("_T")


class Chance(Protocol):
    """What decides the fate of unsynced bytes: `random.Random` or hypothesis' own."""

    def randint(self, a: int, b: int) -> int: ...


class CrashedError(BaseException):
    """The process died in this call; nothing after it happens."""


@dataclass
class _Write:
    offset: int
    data: bytes
    state: str = "dirty"  # dirty, lost (a sync failed) or synced

    def apply(self, image: bytearray, data: bytes) -> None:
        if len(image) < self.offset:
            image.extend(bytes(self.offset - len(image)))
        image[self.offset : self.offset + len(data)] = data


@dataclass
class _Truncate:
    length: int
    state: str = "dirty"

    def apply(self, image: bytearray) -> None:
        if len(image) > self.length:
            del image[self.length :]
        else:
            image.extend(bytes(self.length - len(image)))


@dataclass
class _File:
    cached: bytearray = field(default_factory=bytearray)
    history: list[_Write | _Truncate] = field(default_factory=list)

    def do(self, change: _Write | _Truncate) -> None:
        self.history.append(change)
        if isinstance(change, _Write):
            change.apply(self.cached, change.data)
        else:
            change.apply(self.cached)

    def settle(self, state: str) -> None:
        for change in self.history:
            if change.state == "dirty":
                change.state = state

    def after_power_cut(self, chance: Chance) -> _File:
        image = bytearray()
        for change in self.history:
            fate = 2 if change.state == "synced" else chance.randint(0, 2)
            if fate == 0:
                continue
            if isinstance(change, _Truncate):
                change.apply(image)
            else:
                part = change.data if fate == 2 else change.data[: chance.randint(0, len(change.data))]
                change.apply(image, part)
        return _File(image, [_Write(0, bytes(image), "synced")])


@dataclass
class _Directory:
    cached: dict[str, _File] = field(default_factory=dict)
    history: list[tuple[str, _File | None, bool]] = field(default_factory=list)  # name, file or removed, synced

    def do(self, name: str, file: _File | None) -> None:
        self.history.append((name, file, False))
        if file is None:
            del self.cached[name]
        else:
            self.cached[name] = file

    def settle(self) -> None:
        self.history = [(name, file, True) for name, file, _ in self.history]

    def after_power_cut(self, chance: Chance) -> _Directory:
        names: dict[str, _File] = {}
        for name, file, synced in self.history:
            if not synced and chance.randint(0, 1) == 0:
                continue
            if file is None:
                names.pop(name, None)
            else:
                names[name] = file
        kept = {name: file.after_power_cut(chance) for name, file in names.items()}
        return _Directory(kept, [(name, file, True) for name, file in kept.items()])


class MemoryDisk:
    """A file system in memory that remembers what would be on the platter."""

    def __init__(self) -> None:
        self._directories: dict[Path, _Directory] = {}
        self._open: dict[int, _File] = {}
        self._locks: dict[int, Path] = {}
        self._next_fd = 100

    def kill(self) -> None:
        """The process is gone: descriptors and locks go, the page cache stays."""
        self._open.clear()
        self._locks.clear()

    def power_cut(self, chance: Chance) -> None:
        """The machine is gone: what was not synced survives or not, as `chance` decides."""
        self.kill()
        self._directories = {path: entry.after_power_cut(chance) for path, entry in self._directories.items()}

    def lose(self, fd: int) -> None:
        """A sync fails: the pages turn clean without having been written."""
        self._open[fd].settle("lost")

    def open(self, path: Path, *, create: bool = False, fresh: bool = False) -> int:
        entries = self._entries(path.parent)
        file = entries.cached.get(path.name)
        if file is not None and fresh:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        if file is None:
            if not (create or fresh):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
            file = _File()
            entries.do(path.name, file)
        return self._descriptor(file)

    def open_read(self, path: Path) -> int:
        return self.open(path)

    def read(self, fd: int, size: int, offset: int) -> bytes:
        return bytes(self._open[fd].cached[offset : offset + size])

    def write(self, fd: int, data: bytes, offset: int) -> None:
        self._open[fd].do(_Write(offset, bytes(data)))

    def sync(self, fd: int) -> None:
        self._open[fd].settle("synced")

    def truncate(self, fd: int, length: int) -> None:
        self._open[fd].do(_Truncate(length))

    def size(self, fd: int) -> int:
        return len(self._open[fd].cached)

    def close(self, fd: int) -> None:
        del self._open[fd]
        self._locks.pop(fd, None)

    def rename(self, source: Path, target: Path) -> None:
        entries = self._entries(source.parent)
        entries.do(target.name, entries.cached[source.name])
        entries.do(source.name, None)

    def unlink(self, path: Path) -> None:
        self._entries(path.parent).do(path.name, None)

    def sync_directory(self, path: Path) -> None:
        self._entries(path).settle()

    def make_directory(self, path: Path) -> None:
        self._directories.setdefault(path, _Directory())

    def names(self, path: Path) -> list[str]:
        return list(self._entries(path).cached)

    def lock(self, path: Path) -> int:
        if path in self._locks.values():
            raise BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK))
        fd = self.open(path, create=True)
        self._locks[fd] = path
        return fd

    def _entries(self, path: Path) -> _Directory:
        try:
            return self._directories[path]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from None

    def _descriptor(self, file: _File) -> int:
        self._next_fd += 1
        self._open[self._next_fd] = file
        return self._next_fd


@dataclass
class _Fault:
    call: str | None
    skip: int
    times: int
    error: BaseException


class FaultyDisk:
    """Passes calls on to another disk until one is due to fail.

    A failing write writes its first half; a failing sync leaves the bytes lost where the disk can do that; any other
    failing call does nothing. `CrashedError` ends everything: each later call raises it too.
    """

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._faults: list[_Fault] = []
        self._crashed: CrashedError | None = None
        self._dead = False
        self.calls: list[str] = []

    def fail(self, call: str | None, error: BaseException, *, skip: int = 0, times: int = 1) -> None:
        """Let the calls named `call` (None: any) raise `error`, after `skip` good ones, `times` in a row."""
        self._faults.append(_Fault(call, skip, times, error))

    def heal(self) -> None:
        """No fault that is still to come comes."""
        self._faults.clear()

    def _due(self, call: str) -> BaseException | None:
        if self._crashed is not None:
            self._dead = True
            return self._crashed
        self.calls.append(call)
        for fault in self._faults:
            if fault.call not in (None, call) or fault.times == 0:
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            fault.times -= 1
            if isinstance(fault.error, CrashedError):
                self._crashed = fault.error
            return fault.error
        return None

    def _pass(self, call: str, action: Callable[[], _T]) -> _T:
        error = self._due(call)
        if error is not None:
            raise error
        return action()

    def open(self, path: Path, *, create: bool = False, fresh: bool = False) -> int:
        return self._pass("open", lambda: self._disk.open(path, create=create, fresh=fresh))

    def open_read(self, path: Path) -> int:
        return self._pass("open_read", lambda: self._disk.open_read(path))

    def read(self, fd: int, size: int, offset: int) -> bytes:
        return self._pass("read", lambda: self._disk.read(fd, size, offset))

    def write(self, fd: int, data: bytes, offset: int) -> None:
        error = self._due("write")
        if error is None:
            self._disk.write(fd, data, offset)
            return
        if not self._dead:
            self._disk.write(fd, data[: len(data) // 2], offset)
        raise error

    def sync(self, fd: int) -> None:
        error = self._due("sync")
        if error is None:
            self._disk.sync(fd)
            return
        lose = getattr(self._disk, "lose", None)
        if lose is not None and not isinstance(error, CrashedError):
            lose(fd)
        raise error

    def truncate(self, fd: int, length: int) -> None:
        self._pass("truncate", lambda: self._disk.truncate(fd, length))

    def size(self, fd: int) -> int:
        return self._pass("size", lambda: self._disk.size(fd))

    def close(self, fd: int) -> None:
        error = self._due("close")
        if not isinstance(error, CrashedError):
            # A close that fails has taken the descriptor all the same.
            self._disk.close(fd)
        if error is not None:
            raise error

    def rename(self, source: Path, target: Path) -> None:
        self._pass("rename", lambda: self._disk.rename(source, target))

    def unlink(self, path: Path) -> None:
        self._pass("unlink", lambda: self._disk.unlink(path))

    def sync_directory(self, path: Path) -> None:
        self._pass("sync_directory", lambda: self._disk.sync_directory(path))

    def make_directory(self, path: Path) -> None:
        self._pass("make_directory", lambda: self._disk.make_directory(path))

    def names(self, path: Path) -> list[str]:
        return self._pass("names", lambda: self._disk.names(path))

    def lock(self, path: Path) -> int:
        return self._pass("lock", lambda: self._disk.lock(path))


def disk_full() -> OSError:
    """What a full disk says."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def io_error() -> OSError:
    """What a broken disk says."""
    return OSError(errno.EIO, os.strerror(errno.EIO))
