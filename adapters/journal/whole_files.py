"""Small files that are replaced whole: a reader finds the old text or the new one, also after a power cut."""

from __future__ import annotations

from pathlib import Path

from adapters.journal.disk import Disk, read_all

_SCRATCH = ".new"


def replace_file(disk: Disk, path: Path, data: bytes) -> None:
    """Write `data` beside `path`, sync it, and give it the name. Raises `OSError`; the old file then still stands."""
    scratch = path.with_name(path.name + _SCRATCH)
    fd = disk.open(scratch, create=True)
    try:
        disk.truncate(fd, 0)
        disk.write(fd, data, 0)
        disk.sync(fd)
    finally:
        disk.close(fd)
    disk.rename(scratch, path)
    disk.sync_directory(path.parent)


def read_file_if_there(disk: Disk, path: Path) -> bytes | None:
    """The file's bytes; None where there is none."""
    try:
        return read_all(disk, path)
    except FileNotFoundError:
        return None
