"""Whatever fails, and whenever the power goes: acknowledged records stay, and no index ever has two contents."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.journal.reader import JournalReader
from adapters.journal.segment_log import SegmentLog
from tests.fakes.disk import CrashedError, FaultyDisk, MemoryDisk, disk_full, io_error

DIRECTORY = Path("/journal/w0")
CALLS = ["write", "sync", "rename", "sync_directory", "truncate", "close", "unlink", "open", None]


@dataclass(frozen=True)
class Fault:
    """Let one call fail, or the process die in it, after `skip` good ones."""

    call: str | None
    skip: int
    kind: str


FAULTS: dict[str, Callable[[], BaseException]] = {"io": io_error, "full": disk_full, "crash": CrashedError}
KEEP = Fault(None, 0, "none")
"""Leave the faults that are set."""


@dataclass(frozen=True)
class Stop:
    """End the process and start it again; `power` takes the page cache too."""

    power: bool
    clean: bool


@dataclass(frozen=True)
class Step:
    """Commit records of these sizes; none is to start a segment and go on or die before the first record."""

    sizes: Sequence[int]
    fault: Fault | None
    stop: Stop | None


@dataclass
class World:
    """One machine over its lives."""

    chance: random.Random
    disk: MemoryDisk = field(default_factory=MemoryDisk)
    acknowledged: dict[int, bytes] = field(default_factory=dict)
    shown: dict[int, bytes] = field(default_factory=dict)
    log: SegmentLog | None = None
    faulty: FaultyDisk | None = None
    follower: JournalReader | None = None
    serial: int = 0

    def start(self) -> None:
        self.faulty = FaultyDisk(self.disk)
        self.log = SegmentLog.open(
            directory=DIRECTORY,
            origin="w0",
            segment_bytes=600,
            disk=self.faulty,
            # With and without a fraction the header has different lengths.
            now=lambda: datetime(2030, 1, 1, microsecond=self.chance.randint(0, 1), tzinfo=UTC),
            nonce=lambda: self.chance.randbytes(8),
        )

    def append(self, sizes: Sequence[int], fault: Fault | None) -> None:
        assert self.log is not None
        assert self.faulty is not None
        if fault is not KEEP:
            self.faulty.heal()
        if fault is not None and fault is not KEEP:
            self.faulty.fail(fault.call, FAULTS[fault.kind](), skip=fault.skip)
        self.serial += 1
        payloads = [(b"%d.%d " % (self.serial, at)).ljust(size, b".") for at, size in enumerate(sizes)]
        try:
            self.log.establish()
            index = self.log.next_index
            if payloads:
                self.log.commit(payloads)
        except OSError:
            return
        except CrashedError:
            self.stop(Stop(power=self.chance.random() < 0.5, clean=False))
            return
        self.acknowledged.update(enumerate(payloads, index))

    def stop(self, stop: Stop) -> None:
        if stop.clean and self.log is not None:
            with suppress(CrashedError):
                self.log.close()
        if stop.power:
            self.disk.power_cut(self.chance)
            self.follower = None
        else:
            self.disk.kill()
        self.start()
        self.look()

    def look(self) -> None:
        """A reader in another process: what it sees now must agree with all anybody was ever shown or told."""
        found = {record.index: record.data for record in JournalReader(DIRECTORY, disk=self.disk)}
        assert list(found) == list(range(len(found)))
        for index, data in found.items():
            assert self.shown.setdefault(index, data) == data, f"index {index} has two contents"
            assert self.acknowledged.get(index, data) == data
        self.follow(found)

    def follow(self, found: dict[int, bytes]) -> None:
        """A reader that lives on while writers come and go sees the same."""
        if self.follower is None:
            self.follower = JournalReader(DIRECTORY, disk=self.disk)
        for record in self.follower:
            assert found[record.index] == record.data
        assert self.follower.next_index == len(found)

    def check_end(self) -> None:
        """After a last restart on a good disk every acknowledged record is there."""
        assert self.log is not None
        self.disk.kill()
        self.start()
        self.log.establish()
        self.look()
        for index, data in self.acknowledged.items():
            assert self.shown.get(index) == data, f"acknowledged record {index} is gone"
        assert max(self.shown, default=-1) < self.log.next_index


faults = st.builds(
    Fault, st.sampled_from(CALLS), st.sampled_from([0, 0, 0, 1, 1, 2, 3, 5]), st.sampled_from(["io", "full", "crash"])
)
# Few sizes, so that what is left over of one batch lines up with the next.
sizes = st.lists(st.sampled_from([8, 40, 120]), max_size=3)
stops = st.sampled_from([None, None, None, *(Stop(power, clean) for power in (True, False) for clean in (True, False))])
lives = st.lists(st.builds(Step, sizes, st.one_of(st.none(), faults), stops), min_size=6, max_size=25)


def live(steps: Sequence[Step], seed: int) -> None:
    world = World(random.Random(seed))
    world.start()
    for step in steps:
        world.append(step.sizes, step.fault)
        if step.stop is not None:
            world.stop(step.stop)
        world.look()
    world.check_end()


@settings(max_examples=100, deadline=None)
@given(lives, st.integers(0, 2**32))
def test_acknowledged_records_survive_any_failure(steps: Sequence[Step], seed: int) -> None:
    """P1: what was answered for is on disk, through I/O errors, full disks, kills and power cuts in any order."""
    live(steps, seed)


SCRIPT = [Step([8], None, None), Step([40, 8], None, None), Step([120, 120, 120], None, None), Step([8], None, None)]


def _calls_of_script() -> int:
    world = World(random.Random(0))
    world.start()
    for step in SCRIPT:
        world.append(step.sizes, None)
    assert world.log is not None
    assert world.faulty is not None
    world.log.close()
    return len(world.faulty.calls)


@pytest.mark.parametrize("kind", ["io", "full", "crash"])
@pytest.mark.parametrize("power", [False, True], ids=["kill", "power-cut"])
def test_every_single_call_may_fail(kind: str, *, power: bool) -> None:
    """Each system call of the write path in turn: a fault that is never tried is a fault that is never handled."""
    for number in range(_calls_of_script()):
        world = World(random.Random(number))
        world.start()
        assert world.faulty is not None
        world.faulty.fail(None, FAULTS[kind](), skip=number)
        for step in SCRIPT:
            world.append(step.sizes, KEEP)
        world.stop(Stop(power=power, clean=True))
        world.check_end()


@pytest.mark.hammer
@settings(max_examples=10_000, deadline=None)
@given(lives, st.integers(0, 2**32))
def test_acknowledged_records_survive_any_failure_for_long(steps: Sequence[Step], seed: int) -> None:
    """The same promise over many more lives."""
    live(steps, seed)
