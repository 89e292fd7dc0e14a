"""A process that journals, to be killed or to be given a failing disk: `python -m tests.fakes.journal_child DIRECTORY CALLERS GOAL`.

Each of CALLERS appends one record after the other until GOAL were acknowledged in all (0: for ever). Prints
`ready NEXT_INDEX`, `ack INDEX PAYLOAD` after each acknowledgement, `refused` after each refusal, and `done`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path

import structlog

from adapters.journal import FileJournal, JournalUnavailableError


def stamp(payload: bytes, index: int) -> bytes:
    """Stored bytes name their place."""
    return b"%s@%d" % (payload, index)


def say(line: str) -> None:
    """One write per line: a killed process leaves whole lines only."""
    os.write(1, f"{line}\n".encode())


async def main(directory: Path, callers: int, goal: int) -> None:
    """Journal until the goal is reached."""
    journal = FileJournal.open(
        directory,
        origin=directory.name,
        stamp=stamp,
        segment_bytes=1000,
        probe_interval=timedelta(milliseconds=20),
    )
    say(f"ready {journal.recovered().next_index}")
    acknowledged = 0

    async def call(caller: int) -> None:
        nonlocal acknowledged
        serial = 0
        while goal == 0 or acknowledged < goal:
            serial += 1
            payload = f"{os.getpid()}.{caller}.{serial}"
            try:
                (receipt,) = await journal.append([payload.encode()])
            except JournalUnavailableError:
                say("refused")
                await asyncio.sleep(0.02)
                continue
            acknowledged += 1
            say(f"ack {receipt.index} {payload}")

    await asyncio.gather(*(call(caller) for caller in range(callers)))
    await journal.close()
    say("done")


if __name__ == "__main__":
    # Standard output is for what this process says; log lines must not fall into it.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
