"""What the evidence files rest on; runs on the operating system and on the fake that forgets what was not synced."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.journal.disk import Disk, OsDisk, read_all
from adapters.journal.whole_files import replace_file
from tests.fakes.disk import MemoryDisk


@pytest.fixture(params=[OsDisk, MemoryDisk])
def disk(request: pytest.FixtureRequest) -> Disk:
    made: Disk = request.param()
    return made


@pytest.fixture
def folder(disk: Disk, tmp_path: Path) -> Path:
    folder = tmp_path / "a" / "b"
    disk.make_directory(folder)
    return folder


def test_what_was_written_is_read(disk: Disk, folder: Path) -> None:
    """Offsets are the caller's; nothing is appended by itself."""
    fd = disk.open(folder / "file", create=True)
    disk.write(fd, b"hello", 0)
    disk.write(fd, b"LL", 2)
    disk.sync(fd)
    assert disk.read(fd, 100, 0) == b"heLLo"
    assert disk.read(fd, 2, 1) == b"eL"
    assert disk.read(fd, 2, 10) == b""
    assert disk.size(fd) == 5
    disk.truncate(fd, 2)
    assert disk.read(fd, 100, 0) == b"he"
    disk.close(fd)
    assert read_all(disk, folder / "file") == b"he"


def test_writing_past_the_end_leaves_zeros(disk: Disk, folder: Path) -> None:
    """As file systems do; the frames must not take them for records."""
    fd = disk.open(folder / "file", create=True)
    disk.write(fd, b"x", 3)
    assert disk.read(fd, 10, 0) == b"\0\0\0x"
    disk.close(fd)


def test_names_come_and_go(disk: Disk, folder: Path) -> None:
    """A rename replaces what had the name, at once."""
    for name, data in (("one", b"1"), ("two", b"2")):
        fd = disk.open(folder / name, fresh=True)
        disk.write(fd, data, 0)
        disk.close(fd)
    disk.rename(folder / "one", folder / "two")
    assert disk.names(folder) == ["two"]
    assert read_all(disk, folder / "two") == b"1"
    disk.unlink(folder / "two")
    disk.sync_directory(folder)
    assert disk.names(folder) == []


def test_a_missing_file_is_not_made_by_accident(disk: Disk, folder: Path) -> None:
    """A reader that creates what it looks for would hide that it is gone."""
    with pytest.raises(FileNotFoundError):
        disk.open(folder / "file")
    with pytest.raises(FileNotFoundError):
        disk.open_read(folder / "file")
    disk.close(disk.open(folder / "file", create=True))
    with pytest.raises(FileExistsError):
        disk.open(folder / "file", fresh=True)
    with pytest.raises(FileNotFoundError):
        disk.names(folder / "nowhere")


def test_a_lock_is_held_by_one(disk: Disk, folder: Path) -> None:
    """And given back with the descriptor."""
    fd = disk.lock(folder / "lock")
    with pytest.raises(BlockingIOError):
        disk.lock(folder / "lock")
    disk.close(fd)
    disk.close(disk.lock(folder / "lock"))


def test_a_file_is_replaced_whole(disk: Disk, folder: Path) -> None:
    """Also by something shorter, and after an attempt that was cut short."""
    replace_file(disk, folder / "file", b"a long text")
    fd = disk.open(folder / "file.new", create=True)
    disk.write(fd, b"a very long left-over of a crash", 0)
    disk.close(fd)
    replace_file(disk, folder / "file", b"short")
    assert read_all(disk, folder / "file") == b"short"
    assert disk.names(folder) == ["file"]


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Records say who asked about whom."""
    disk = OsDisk()
    disk.make_directory(tmp_path / "journal" / "w0")
    disk.close(disk.open(tmp_path / "journal" / "w0" / "file", create=True))
    assert (tmp_path / "journal").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "journal" / "w0" / "file").stat().st_mode & 0o777 == 0o600
