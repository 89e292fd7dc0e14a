"""The data directory as `dancu up` uses it: checked before anything is touched, locked, laid out, tidied.

    DIR/dancu.lock     held by the one `dancu up` that works here; holds its pid
    DIR/logs/          one log for each child
    DIR/run/           sockets of this run; elsewhere where the path would be too long for a socket
    DIR/run/metrics/   counters of the processes
    DIR/mock/          the mock's own changes

Knows nothing of journals, ledger and secrets, which others keep beside these.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from adapters.processes.valkey import MAX_SOCKET_PATH_BYTES

LOCK_NAME = "dancu.lock"

_LONGEST_SOCKET_NAME = "notify-worker-255.sock"


class WorkspaceError(Exception):
    """The data directory cannot be used; the text names it and says why."""


class Workspace:
    """A data directory that is ours until `close`."""

    def __init__(self, *, data_dir: Path, sockets: Path, held: ExitStack) -> None:
        self.data_dir = data_dir
        self.logs = data_dir / "logs"
        self.metrics = data_dir / "run" / "metrics"
        self.mock = data_dir / "mock"
        self.sockets = sockets
        """Readable by us only, and short enough for every socket in it."""
        self._held = held

    def close(self) -> None:
        """Remove the sockets and let go of the lock."""
        self._held.close()


def check(data_dir: Path) -> None:
    """See whether the directory could be used, without leaving a trace in it. Raises `WorkspaceError`."""
    existing = data_dir
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        what = "is" if existing == data_dir else f"cannot be made: {existing} is"
        raise WorkspaceError(f"data directory {data_dir} (data_dir) {what} not a directory")
    if not os.access(existing, os.R_OK | os.W_OK | os.X_OK):
        what = "cannot be written" if existing == data_dir else f"cannot be made: {existing} cannot be written"
        raise WorkspaceError(f"data directory {data_dir} (data_dir) {what}")
    lock_path = data_dir / LOCK_NAME
    if lock_path.exists():
        with ExitStack() as held:
            _lock(lock_path, os.O_RDWR, held)


def take(data_dir: Path) -> Workspace:
    """Make, lock and lay out the directory. Raises `WorkspaceError`, with nothing left behind."""
    with ExitStack() as held, ExitStack() as undo:
        try:
            for directory in _missing(data_dir):
                _make(directory, undo)
            lock_path = data_dir / LOCK_NAME
            if not lock_path.exists():
                undo.callback(lock_path.unlink, missing_ok=True)
            descriptor = _lock(lock_path, os.O_RDWR | os.O_CREAT, held)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            workspace = Workspace(data_dir=data_dir, sockets=_sockets(data_dir, held), held=held)
            for directory in (data_dir / "run", workspace.metrics, workspace.logs, workspace.mock):
                _make(directory, undo)
            _tidy(workspace)
        except OSError as error:
            where = f": {error.filename}" if error.filename else ""
            raise WorkspaceError(
                f"data directory {data_dir} (data_dir) cannot be used{where}: {error.strerror}"
            ) from error
        undo.pop_all()
        return Workspace(data_dir=data_dir, sockets=workspace.sockets, held=held.pop_all())


def forget_gauges(metrics: Path, process_name: str) -> None:
    """Drop the live gauges of a process that is gone: what it had in flight is no longer so."""
    for stale in metrics.glob(f"gauge_live*_{process_name}.db"):
        stale.unlink(missing_ok=True)


def _missing(data_dir: Path) -> list[Path]:
    missing: list[Path] = []
    while not data_dir.exists():
        missing.insert(0, data_dir)
        data_dir = data_dir.parent
    return missing


def _lock(path: Path, flags: int, held: ExitStack) -> int:
    try:
        descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise WorkspaceError(f"{path} cannot be opened: {error.strerror}") from error
    held.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
        holder = f"by pid {pid}" if pid.isdigit() else "by another process"
        raise WorkspaceError(f"data directory {path.parent} (data_dir) is in use {holder}") from None
    return descriptor


def _sockets(data_dir: Path, held: ExitStack) -> Path:
    inside = data_dir / "run"
    if len(os.fsencode(inside / _LONGEST_SOCKET_NAME)) <= MAX_SOCKET_PATH_BYTES:
        return inside
    outside = Path(tempfile.mkdtemp(prefix="dancu-"))
    held.callback(shutil.rmtree, outside, ignore_errors=True)
    if len(os.fsencode(outside / _LONGEST_SOCKET_NAME)) > MAX_SOCKET_PATH_BYTES:
        raise WorkspaceError(f"{outside.parent} is too long a path for a socket: set TMPDIR to a shorter one")
    return outside


def _make(directory: Path, undo: ExitStack) -> None:
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        if not directory.is_dir():
            raise
    else:
        undo.callback(directory.rmdir)


def _tidy(workspace: Workspace) -> None:
    """Remove what a run that was killed left: sockets nobody answers, counters of processes that are gone."""
    (workspace.data_dir / "run").chmod(0o700)
    for stale in (*workspace.sockets.glob("*.sock"), *workspace.metrics.glob("*.db")):
        stale.unlink(missing_ok=True)
