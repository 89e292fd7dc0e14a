"""Lives of journalling processes, and the one check after each: what was acknowledged is there, in its place."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from adapters.journal.disk import OsDisk
from adapters.journal.reader import JournalReader
from adapters.journal.segment_log import SegmentLog
from adapters.journal.segments import fresh_nonce
from adapters.journal.verify import verify

_REPOSITORY = Path(__file__).parents[2]


@dataclass
class JournalLives:
    """One journal directory over the lives of many processes."""

    directory: Path
    acknowledged: dict[int, bytes] = field(default_factory=dict)
    refusals: int = 0

    def start(self, *, callers: int, goal: int, around: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        """Start a process that journals, `around` being what it runs under."""
        self.directory.parent.mkdir(exist_ok=True)
        # No bytecode is written, so that renames and syncs are the journal's alone.
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(_REPOSITORY)}
        child = [sys.executable, "-m", "tests.fakes.journal_child", str(self.directory), str(callers), str(goal)]
        return subprocess.Popen(
            [*around, *child], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, cwd=_REPOSITORY
        )

    def hear(self, output: bytes) -> bool:
        """Take note of what a process said; whether it reached its goal."""
        for line in output.decode().splitlines():
            match line.split(" "):
                case ["ack", index, payload]:
                    stored = f"{payload}@{index}".encode()
                    assert self.acknowledged.setdefault(int(index), stored) == stored, "an index was given twice"
                case ["refused"]:
                    self.refusals += 1
        return b"done\n" in output

    def check(self) -> int:
        """Open the journal as the next process would and compare; returns how many records there are."""
        log = SegmentLog.open(
            directory=self.directory,
            origin=self.directory.name,
            segment_bytes=1000,
            disk=OsDisk(),
            now=lambda: datetime.now(UTC),
            nonce=fresh_nonce,
        )
        log.establish()
        log.close()
        found = [record.data for record in JournalReader(self.directory)]
        for index, data in enumerate(found):
            assert data.endswith(b"@%d" % index), "a record is not in its place"
        for index, data in self.acknowledged.items():
            assert index < len(found), f"acknowledged record {index} is gone"
            assert found[index] == data
        outcome = verify(self.directory.parent, verifiers=[])
        assert outcome.sound, outcome.findings
        return len(found)
