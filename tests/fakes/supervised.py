"""A supervisor under test, as a process of its own: started, watched and stopped by its id."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PATIENCE_SECONDS = 40.0
"""How long a test waits for what must happen, on a machine that is busy with other things."""


def wait_for(happened: Callable[[], object], what: str) -> None:
    """Return once `happened` is true; fail with `what` after a generous time."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        if time.monotonic() > until:
            raise AssertionError(f"waited in vain for {what}")
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Whether the process is there and has not ended; one that nobody reaped has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def children_of(parent: int) -> dict[int, str]:
    """The running children of a process: pid and command line."""
    children = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            ppid = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if ppid == parent and is_running(int(entry.name)):
            children[int(entry.name)] = command_of(int(entry.name))
    return children


def command_of(pid: int) -> str:
    """The command line of a process; empty where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


class Supervised:
    """`argv` running, its output in files of `folder`."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """Variables of an outer installation are kept away; `environment` is added."""
        self.folder = folder
        self._children: dict[int, str] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self._out_path, self._err_path = folder / "stdout", folder / "stderr"
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("DANCU_", "PYTHONUNBUFFERED"))
        }
        with self._out_path.open("wb") as out, self._err_path.open("wb") as err:
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**inherited, **(environment or {})},
                cwd=cwd,
                # As from a terminal: a Ctrl-C there goes to this group.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def out(self) -> str:
        """Standard output so far."""
        return self._out_path.read_text()

    @property
    def err(self) -> str:
        """Standard error so far."""
        return self._err_path.read_text()

    def wait_until_ready(self) -> None:
        """Return once it says `ready`; fail with its words if it ends before."""
        wait_for(lambda: self.is_ready() or self.process.poll() is not None, f"ready; so far:\n{self.out}\n{self.err}")
        assert self.is_ready(), f"ended with {self.process.returncode} before it was ready:\n{self.out}\n{self.err}"

    def is_ready(self) -> bool:
        """Whether its last line is `ready`."""
        return self.out.endswith("\nready\n")

    def child(self, what: str) -> int:
        """The pid of the one child whose command line matches the pattern."""
        found = [pid for pid, command in children_of(self.pid).items() if re.search(what, command)]
        assert len(found) == 1, f"{len(found)} children match {what!r}: {children_of(self.pid)}"
        return found[0]

    def has_child(self, what: str, *, other_than: int = 0) -> bool:
        """Whether a child whose command line matches the pattern runs, besides one that is known."""
        return any(re.search(what, command) and pid != other_than for pid, command in children_of(self.pid).items())

    def send(self, number: signal.Signals) -> None:
        """Send a signal to it alone."""
        self._note_children()
        self.process.send_signal(number)

    def end(self) -> int:
        """The exit status, once it has ended."""
        return self.process.wait(PATIENCE_SECONDS)

    def close(self) -> None:
        """Stop it if it still runs; fail, after ending them, if any of its children stays."""
        self._note_children()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        try:
            wait_for(lambda: not self._left(), "the end of all children")
        finally:
            for pid in self._left():
                os.kill(pid, signal.SIGKILL)

    def _note_children(self) -> None:
        if self.process.poll() is None:
            self._children |= children_of(self.pid)

    def _left(self) -> list[int]:
        """Children of before that still run; a pid that was given to another program is not one of them."""
        return [pid for pid, command in self._children.items() if is_running(pid) and command_of(pid) == command]
