"""What Linux tells of a process, and processes that end with the measurement that started them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_STOP_SECONDS = 20.0


class MeasurementError(Exception):
    """What was to be measured did not start, or did not answer as it must."""


def cpu_seconds(pid: int) -> float:
    """User and system time of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_megabytes(pid: int) -> float:
    """Memory of its own: shared library pages are not counted."""
    text = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"RssAnon:\s+(\d+) kB", text)
    assert found is not None
    return int(found[1]) / 1024


def children_of(parent: int) -> dict[int, str]:
    """Pid and command line of the running children."""
    path = Path(f"/proc/{parent}/task/{parent}/children")
    return {int(pid): Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ") for pid in path.read_text().split()}


@contextmanager
def running(
    argv: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process whose output goes to `log`, told to end at the end of the block and made to after a while."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DANCU_")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=inherited | dict(environment or {}),
            # As from a terminal of its own: a Ctrl-C ends the measurement, which then ends this.
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until(happened: Callable[[], bool], *, process: subprocess.Popen[bytes], log: Path, seconds: float) -> None:
    """Return once it happened. Raises `MeasurementError` with the process's last words if it ends or dawdles."""
    until = time.monotonic() + seconds
    while not happened():
        if process.poll() is not None or time.monotonic() > until:
            raise MeasurementError(f"{process.args!r} did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.01)
