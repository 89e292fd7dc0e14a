"""Log files of children: rotated in place, read back when a child fails."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapters.processes.logs import KEPT, ChildLog


def write(log: ChildLog, text: str) -> None:
    descriptor = log.open()
    os.write(descriptor, text.encode())
    os.close(descriptor)


def contents(path: Path) -> dict[str, str]:
    return {entry.name: entry.read_text() for entry in path.iterdir()}


def test_a_long_log_is_copied_and_cut_while_its_child_goes_on_writing(tmp_path: Path) -> None:
    """The child keeps its file open; a log that is moved away would go on growing out of sight."""
    log = ChildLog(path=tmp_path / "worker-0.log", max_bytes=10)
    descriptor = log.open()
    os.write(descriptor, b"before the rotation\n")
    assert log.rotate()
    os.write(descriptor, b"after\n")
    os.close(descriptor)
    assert contents(tmp_path) == {"worker-0.log": "after\n", "worker-0.log.1": "before the rotation\n"}


def test_a_short_or_missing_log_is_left_alone(tmp_path: Path) -> None:
    """Rotation is asked for every few seconds."""
    log = ChildLog(path=tmp_path / "worker-0.log", max_bytes=10)
    assert not log.rotate()
    write(log, "0123456789")
    assert not log.rotate()
    assert contents(tmp_path) == {"worker-0.log": "0123456789"}


def test_three_older_copies_are_kept(tmp_path: Path) -> None:
    """Logs must not fill the disk that evidence needs."""
    log = ChildLog(path=tmp_path / "worker-0.log", max_bytes=1)
    for number in range(6):
        write(log, f"run {number}")
        assert log.rotate()
    assert contents(tmp_path) == {
        "worker-0.log": "",
        "worker-0.log.1": "run 5",
        "worker-0.log.2": "run 4",
        f"worker-0.log.{KEPT}": "run 3",
    }


def test_logs_and_their_copies_are_their_owners_alone(tmp_path: Path) -> None:
    """Logs name accounts and officers."""
    log = ChildLog(path=tmp_path / "worker-0.log", max_bytes=1)
    write(log, "more than a byte")
    log.rotate()
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


@contextmanager
def full_disk() -> Iterator[None]:
    """No file may grow beyond ten bytes; for the shortest time, since pytest's own output is a file as well."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_log_that_cannot_be_copied_is_cut_all_the_same(tmp_path: Path) -> None:
    """On a full disk the space of old logs serves the journal better."""
    log = ChildLog(path=tmp_path / "worker-0.log", max_bytes=1)
    write(log, "longer than the disk allows")
    with full_disk():
        rotated = log.rotate()
    assert rotated
    assert contents(tmp_path) == {"worker-0.log": ""}


def test_the_tail_holds_the_last_lines_of_this_start_only(tmp_path: Path) -> None:
    """Yesterday's error under today's failure would send the operator the wrong way."""
    log = ChildLog(path=tmp_path / "worker-0.log")
    write(log, "yesterday's trouble\n")
    descriptor = log.open()
    assert log.tail(20) == []
    os.write(descriptor, "".join(f"line {number}\n" for number in range(30)).encode())
    assert log.tail(20) == [f"line {number}" for number in range(10, 30)]
    os.truncate(log.path, 0)
    os.write(descriptor, b"after a rotation\n")
    os.close(descriptor)
    assert log.tail(20) == ["after a rotation"]
