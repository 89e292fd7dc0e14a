"""What the operator reads: results on standard output, trouble and progress on standard error.

Owns the two streams and survives their loss: a pipe whose reader is gone, a full disk, a closed descriptor.
"""

from __future__ import annotations

import os
import sys
from typing import TextIO


class Console:
    """Writes whole lines, flushed, and never raises."""

    def __init__(self, *, out: TextIO | None = None, err: TextIO | None = None) -> None:
        """None: the process's own streams, which are None themselves where they were closed at the start."""
        self._out = out if out is not None else sys.stdout
        self._err = err if err is not None else sys.stderr

    def say(self, line: str) -> None:
        """One line of the result."""
        _write(self._out, line)

    def warn(self, line: str) -> None:
        """One line of trouble or progress."""
        _write(self._err, line)


def _write(stream: TextIO | None, line: str) -> None:
    if stream is None:
        return
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        stream.flush()
    except (OSError, ValueError):
        _sink(stream)


def _sink(stream: TextIO) -> None:
    """Let a broken stream write into the void, or its buffer would fail once more when the interpreter ends."""
    try:
        number = stream.fileno()
    except (OSError, ValueError):
        return
    void = os.open(os.devnull, os.O_WRONLY)
    os.dup2(void, number)
    os.close(void)
