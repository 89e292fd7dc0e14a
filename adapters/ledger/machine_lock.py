"""Who may write this machine's ledger and checkpoints: one process at a time, by a lock that dies with it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK_NAME = "control.lock"


class MachineHeldError(Exception):
    """Another control process works in this data directory; the message names it."""


@contextmanager
def hold_machine(data_dir: Path) -> Iterator[None]:
    """Hold the data directory's control lock. Raises `MachineHeldError` at once where it is held, and `OSError`."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(data_dir / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise MachineHeldError(f"another control process works in {data_dir} (data_dir)") from error
        yield
    finally:
        os.close(descriptor)
