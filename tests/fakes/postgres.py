"""A real PostgreSQL of the machine, on a unix socket in a folder of its own, stopped by its id."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from tests.fakes.programs import require_program

_PACKAGE = "postgresql"
_USER = "dancu"
_PATIENCE_SECONDS = 30.0
_databases = count(1)


@dataclass
class RunningPostgres:
    """One server; it can be stopped at once and started again with what it had committed."""

    binaries: Path
    folder: Path
    owner: dict[str, Any]
    """How a process of it is started: it refuses to run as root."""
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return once it answers."""
        settings = ("listen_addresses=", f"unix_socket_directories={self.folder}", "fsync=off", "max_connections=40")
        options = [part for one in settings for part in ("-c", one)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.binaries / "postgres", "-D", self.folder / "data", *options], stdout=log, stderr=log, **self.owner
            )
        until = time.monotonic() + _PATIENCE_SECONDS
        while self._run("pg_isready", "-q", check=False).returncode:
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < until, "PostgreSQL did not answer"
            time.sleep(0.05)

    def kill(self) -> None:
        """Stop at once, connections cut."""
        if self.process is not None:
            self.process.send_signal(3)  # SIGQUIT: PostgreSQL's immediate shutdown, which takes its children along
            self.process.wait(_PATIENCE_SECONDS)
            self.process = None

    def fresh_database(self) -> str:
        """The SQLAlchemy address of a new, empty database."""
        name = f"test{next(_databases)}"
        self._run("createdb", name)
        return f"postgresql+asyncpg://{_USER}@/{name}?host={self.folder}"

    def initialise(self) -> None:
        """Make the cluster, in a collation as far from that of SQLite as installations have them."""
        self._run("initdb", "-D", str(self.folder / "data"), "-U", _USER, "-A", "trust", "-N", "-E", "UTF8",
                  "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=vi", connect=False)  # fmt: skip

    def _run(
        self, program: str, *arguments: str, check: bool = True, connect: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        where = ("-h", str(self.folder), "-U", _USER) if connect else ()
        command = [str(self.binaries / program), *where, *arguments]
        return subprocess.run(command, check=check, capture_output=True, cwd=self.folder, timeout=60, **self.owner)


@contextmanager
def running_postgres() -> Iterator[RunningPostgres]:
    """A server for the block; without PostgreSQL the test is skipped, and fails where `CI` is true."""
    with tempfile.TemporaryDirectory(prefix="dancu-pg-") as name:
        folder = Path(name)
        server = RunningPostgres(_binaries(), folder, _owner_of(folder))
        server.initialise()
        server.start()
        try:
            yield server
        finally:
            server.kill()


def _binaries() -> Path:
    """Where Debian keeps the newest version's programs, out of the way of `PATH`; else where `PATH` has them."""
    versions = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "postgres").exists()]
    if versions:
        return max(versions, key=lambda path: int(path.parent.name))
    return Path(require_program("postgres", _PACKAGE)).resolve().parent


def _owner_of(folder: Path) -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = known.get("postgres") or known["nobody"]
    shutil.chown(folder, entry.pw_uid, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
