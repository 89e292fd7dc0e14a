"""The log files of the children: appended to by them, rotated here by copying and cutting.

A child keeps its file open in append mode, so the file is cut in place rather than moved away. Lines written in the
instant between the copy and the cut are lost: these are operational logs, evidence is the journal's matter.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

KEPT = 3
"""Older copies kept: `NAME.log.1` is the newest."""
MAX_BYTES = 50 * 1_048_576
"""A log beyond this is rotated."""

_TAIL_BYTES = 16_384


class ChildLog:
    """One child's log and its older copies, all readable by their owner only."""

    def __init__(self, *, path: Path, max_bytes: int = MAX_BYTES) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._started_at = 0

    def open(self) -> int:
        """A descriptor to append to, for a child that starts now; the caller closes it. Raises OSError."""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._started_at = os.fstat(descriptor).st_size
        return descriptor

    def tail(self, lines: int) -> list[str]:
        """The last lines written since the last `open`; empty where nothing was."""
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                # A log cut meanwhile is shorter than where the child began.
                begin = self._started_at if self._started_at <= size else 0
                file.seek(max(begin, size - _TAIL_BYTES))
                text = file.read(_TAIL_BYTES).decode(errors="replace")
        except OSError:
            return []
        return text.splitlines()[-lines:]

    def rotate(self) -> bool:
        """Copy and cut the log if it has grown too long; whether it had. Blocks while it copies.

        Where the copy fails, as on a full disk, the log is cut all the same: its space serves evidence better.
        """
        try:
            if self.path.stat().st_size <= self._max_bytes:
                return False
        except FileNotFoundError:
            return False
        for older in range(KEPT, 1, -1):
            newer = self._copy(older - 1)
            if newer.exists():
                newer.replace(self._copy(older))
        newest = self._copy(1)
        try:
            with self.path.open("rb") as source, open(newest, "wb", opener=_owner_only) as copy:
                shutil.copyfileobj(source, copy, 1_048_576)
        except OSError:
            newest.unlink(missing_ok=True)
        os.truncate(self.path, 0)
        return True

    def _copy(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
