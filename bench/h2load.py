"""h2load (Debian: nghttp2-client) as a second opinion on our own load.

It sends one request over and over and sees HTTP statuses only, so what it counts is held against what the gateway
says it answered (`bench.rounds`).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.proc import MeasurementError
from bench.wire import prefixed

_FINISHED = re.compile(r"finished in ([\d.]+)(us|ms|s), ([\d.]+) req/s")
_REQUESTS = re.compile(r"requests: (\d+) total, \d+ started, (\d+) done, (\d+) succeeded")
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


@dataclass(frozen=True, slots=True)
class H2loadResult:
    """What one run printed."""

    seconds: float
    rate: float
    asked: int
    succeeded: int


def program() -> str | None:
    """Where it is installed, if it is."""
    return shutil.which("h2load")


def parse(printed: str) -> H2loadResult:
    """The figures of its report. Raises `MeasurementError` where there are none."""
    finished, requests = _FINISHED.search(printed), _REQUESTS.search(printed)
    if finished is None or requests is None:
        raise MeasurementError(f"h2load said something else:\n{printed[-1000:]}")
    return H2loadResult(
        seconds=float(finished[1]) * _UNITS[finished[2]],
        rate=float(finished[3]),
        asked=int(requests[1]),
        succeeded=int(requests[3]),
    )


def run(
    *,
    target: str,
    path: str,
    message: bytes,
    metadata: Sequence[tuple[str, str]],
    calls: int,
    connections: int,
    callers: int,
    patience_seconds: float,
) -> H2loadResult:
    """Send `calls` requests, `callers` at a time. Raises `MeasurementError`."""
    headers = [("content-type", "application/grpc"), ("te", "trailers"), *metadata]
    with tempfile.NamedTemporaryFile(prefix="bench-") as body:
        Path(body.name).write_bytes(prefixed(message))
        argv = ["h2load", "-n", str(calls), "-c", str(connections), "-m", str(max(1, callers // connections))]
        argv += ["-d", body.name, *(f"-H{name}: {value}" for name, value in headers), f"http://{target}{path}"]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=patience_seconds, check=False)
        except subprocess.TimeoutExpired as error:
            raise MeasurementError(f"h2load did not end within {patience_seconds:.0f} s") from error
    return parse(done.stdout + done.stderr)
