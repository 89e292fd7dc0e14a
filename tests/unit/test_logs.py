"""Operational logs: JSON lines that never fail a call."""

from __future__ import annotations

import io

from adapters.logs import Lossy


class FullDisk(io.StringIO):
    """A stream on a disk without space."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device", text[:0])

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def test_a_line_that_cannot_be_written_is_lost_and_nothing_else() -> None:
    """A full disk stops evidence by design, and must not stop a call through its log line."""
    stream = Lossy(FullDisk())
    assert stream.write("line\n") == 5
    stream.flush()


def test_a_closed_stream_is_no_error() -> None:
    """The reader of standard error may be gone before us."""
    closed = io.StringIO()
    closed.close()
    assert Lossy(closed).write("line\n") == 5


def test_lines_arrive_while_the_stream_takes_them() -> None:
    """Losing lines is the exception."""
    stream = io.StringIO()
    Lossy(stream).write("line\n")
    assert stream.getvalue() == "line\n"
