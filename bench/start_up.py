"""From `dancu up` in an empty folder to the first answered lookup, with a nation of 100 million.

The first start, which makes secrets, accounts and the ledger. The caller tries again every few milliseconds, as a
system would that was started together with the gateway.
"""

from __future__ import annotations

import time
from pathlib import Path

from bench.caller import Caller, Plan
from bench.installation import LOOKUP, START_SECONDS, demo_keys, free_ports, up
from bench.proc import MeasurementError

_PAUSE_SECONDS = 0.01


def start_up(folder: Path, messages: Path) -> float:
    """Seconds. `messages`: a file with one lookup. Raises `MeasurementError`."""
    folder.mkdir()
    ports = free_ports(4)
    began = time.perf_counter()
    with up(folder, ports=ports) as process:
        while time.perf_counter() - began < START_SECONDS and process.poll() is None:
            if _answered(f"127.0.0.1:{ports[0]}", folder / "data", messages):
                return time.perf_counter() - began
            time.sleep(_PAUSE_SECONDS)
        raise MeasurementError("no lookup was answered")


def _answered(target: str, data_dir: Path, messages: Path) -> bool:
    try:
        metadata = (("authorization", f"Bearer {demo_keys(data_dir)['DANCU_BENCH_KEY']}"),)
        one = Plan(target, f"/{LOOKUP}", messages, metadata, 1, 1, warm_up_seconds=0, seconds=2, calls=1)
        return Caller(one).run().ok == 1
    except (OSError, KeyError):
        return False
