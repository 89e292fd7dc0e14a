"""An installation under measurement: `dancu up`, or the same with a part replaced, on free ports in its own folder.

Knows it as an operator does: the command, `demo.env`, `/metrics`, and processes by their pids.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.proc import children_of, running, wait_until

LOOKUP = "dancu.citizen.v1.CitizenService/LookupCitizen"
BULK = "dancu.citizen.v1.CitizenService/BulkLookupCitizens"
START_SECONDS = 60.0

WORKERS = 2

_LOG = "up.log"
_PORTS = ("GRPC", "ADMIN", "HTTP", "MOCK")
_UP = ("-c", "from dancu.cli import main; main()", "up")
_OK = re.compile(r'^dancu_calls_total\{(?=[^}]*code="OK")[^}]*source="(\w+)"[^}]*\} ([0-9.e+]+)$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Installation:
    """A running one."""

    target: str
    bench_key: str
    http_target: str
    workers: tuple[int, ...]
    others: tuple[int, ...]
    """Control, Valkey, the mock and the supervisor."""

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Of every call: the account without limits."""
        return (("authorization", f"Bearer {self.bench_key}"),)

    def answered(self) -> dict[str, int]:
        """Calls it says it answered with OK, by source."""
        with urllib.request.urlopen(f"http://{self.http_target}/metrics", timeout=10) as page:
            text = page.read().decode()
        counts: dict[str, int] = {}
        for source, count in _OK.findall(text):
            counts[source] = counts.get(source, 0) + int(float(count))
        return counts


@contextmanager
def installed(
    folder: Path, *, variant: Sequence[str] | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[Installation]:
    """An installation that is ready, until the end of the block; `variant` are options of `bench.servers.variant`."""
    folder.mkdir(parents=True)
    ports = free_ports(4)
    with up(folder, ports=ports, variant=variant, environment=environment) as process:
        log = folder / _LOG
        wait_until(lambda: log.read_text().endswith("\nready\n"), process=process, log=log, seconds=START_SECONDS)
        children = children_of(process.pid)
        serving = tuple(pid for pid, line in children.items() if re.search(r"processes\.worker|variant worker", line))
        yield Installation(
            target=f"127.0.0.1:{ports[0]}",
            bench_key=demo_keys(folder / "data")["DANCU_BENCH_KEY"],
            http_target=f"127.0.0.1:{ports[2]}",
            workers=serving,
            others=(process.pid, *(pid for pid in children if pid not in serving)),
        )


@contextmanager
def up(
    folder: Path,
    *,
    ports: Sequence[int],
    variant: Sequence[str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """`dancu up --workers 2` with its data in `folder`, perhaps not ready yet; `ports` of grpc, admin, http, mock."""
    command = _UP if variant is None else ("-m", "bench.servers.variant", "up", *variant)
    told = {f"DANCU_{name}__PORT": str(port) for name, port in zip(_PORTS, ports, strict=True)}
    told |= {"DANCU_DATA_DIR": str(folder / "data"), "DANCU_WORKERS__COUNT": str(WORKERS), **(environment or {})}
    with running([sys.executable, *command], log=folder / _LOG, environment=told) as process:
        yield process


def demo_keys(data_dir: Path) -> dict[str, str]:
    """What `demo.env` holds."""
    return dict(line.split("=", 1) for line in (data_dir / "demo.env").read_text().splitlines() if "=" in line)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()
