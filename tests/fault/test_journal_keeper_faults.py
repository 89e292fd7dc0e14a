"""The keeper on a disk that fails: what was handed out stays, and no two checkpoints contradict each other."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.journal.checkpoint_files import (
    CHECKPOINTS_FOLDER,
    CheckpointFiles,
    WitnessCopy,
    notes_in,
    notes_names,
    scan_notes,
)
from adapters.journal.disk import read_all
from adapters.journal.keeper import JournalKeeper
from adapters.journal.segment_log import SegmentLog
from gateway.audit.checkpoints import Checkpoint, sign_checkpoint, verify_checkpoint
from gateway.audit.merkle import leaf_hash, root_of
from gateway.audit.notes import SignerKey
from tests.fakes.disk import CrashedError, FaultyDisk, MemoryDisk, io_error

JOURNAL = Path("/journal/w0")
WITNESS = Path("/witness")
SIGNER = SignerKey("dancu.example", bytes(32))
ROUNDS = 3
FAULTS: dict[str, Callable[[], BaseException]] = {"io": io_error, "crash": CrashedError}


def record(index: int) -> bytes:
    return b"record %d" % index


@dataclass
class World:
    """One machine: a healthy worker, and a keeper on a failing disk."""

    chance: random.Random
    disk: MemoryDisk = field(default_factory=MemoryDisk)
    handed_out: list[str] = field(default_factory=list)
    faulty: FaultyDisk | None = None
    keeper: JournalKeeper | None = None
    records: int = 0

    def start(self) -> None:
        self.faulty = FaultyDisk(self.disk)
        self.keeper = JournalKeeper(
            journal=JOURNAL,
            signers=lambda: [SIGNER],
            verifiers=lambda: [SIGNER.verifier],
            witness=WITNESS,
            disk=self.faulty,
        )

    def write(self, records: int) -> None:
        log = SegmentLog.open(
            directory=JOURNAL,
            origin="w0",
            segment_bytes=600,
            disk=self.disk,
            now=lambda: datetime(2030, 1, 1, tzinfo=UTC),
            nonce=lambda: self.chance.randbytes(8),
        )
        log.establish()
        log.commit([record(self.records + at) for at in range(records)])
        log.close()
        self.records += records

    def keep(self) -> None:
        """One turn of the keeper: whatever it hands out is remembered."""
        assert self.keeper is not None
        try:
            while self.keeper.advance(10):
                pass
            note = self.keeper.checkpoint()
        except OSError:
            return
        except CrashedError:
            self.restart(power=self.chance.random() < 0.5)
            return
        if note is not None:
            self.handed_out.append(note)

    def restart(self, *, power: bool) -> None:
        if power:
            self.disk.power_cut(self.chance)
        else:
            self.disk.kill()
        self.start()

    def check(self) -> None:
        """On a good disk again: everything handed out is there, everything there is true."""
        self.restart(power=True)
        self.write(1)
        self.keep()
        notes = self.kept(JOURNAL)
        assert self.handed_out
        for note in self.handed_out:
            assert note in notes, "a checkpoint that was handed out is gone"
        sizes = []
        for note in notes:
            checkpoint = verify_checkpoint(note, [SIGNER.verifier])
            assert checkpoint.root == root_of([leaf_hash(record(at)) for at in range(checkpoint.size)])
            sizes.append(checkpoint.size)
        assert sizes == sorted(set(sizes))
        assert sizes[-1] == self.records
        assert self.kept(WITNESS / "w0") == notes
        assert self.keeper is not None
        assert self.keeper.inclusion_proof(0).verify([SIGNER.verifier]).size == self.records

    def kept(self, place: Path) -> list[str]:
        folder = place / CHECKPOINTS_FOLDER
        found: list[str] = []
        for name in notes_names(self.disk, folder):
            data = read_all(self.disk, folder / name)
            found += notes_in(data, scan_notes(data, folder / name))
        return found


def live(fault: tuple[int, BaseException] | None, seed: int) -> World:
    world = World(random.Random(seed))
    world.start()
    assert world.faulty is not None
    if fault is not None:
        world.faulty.fail(None, fault[1], skip=fault[0])
    for _ in range(ROUNDS):
        world.write(7)
        world.keep()
    return world


@pytest.mark.parametrize("kind", ["io", "crash"])
def test_every_single_call_of_the_keeper_may_fail(kind: str) -> None:
    """P2: a checkpoint that was handed out binds the journal for ever, whatever the disk did."""
    calls = live(None, 0).faulty
    assert calls is not None
    assert len(calls.calls) > 100
    for number in range(len(calls.calls)):
        live((number, FAULTS[kind]()), number).check()


def test_a_torn_file_of_checkpoints_is_cut_and_continued() -> None:
    """The one that was being written was never handed out."""
    world = live(None, 1)
    folder = JOURNAL / CHECKPOINTS_FOLDER
    (name,) = notes_names(world.disk, folder)
    fd = world.disk.open(folder / name)
    size = world.disk.size(fd)
    world.disk.write(fd, b"\x01\x02\x03", size)
    files = CheckpointFiles.open(JOURNAL, disk=world.disk)
    assert world.disk.size(fd) == size
    assert files.latest == world.handed_out[-1]
    world.check()


def test_a_grown_file_of_checkpoints_is_followed_by_another() -> None:
    """Years of checkpoints must not become one file that is read at every start."""
    disk = MemoryDisk()
    notes = [sign_checkpoint(Checkpoint("w0", size, bytes(32)), [SIGNER]) for size in (5, 7, 20)]
    copy = WitnessCopy(journal=JOURNAL, witness=WITNESS, origin="w0", disk=disk)
    for note in notes:
        files = CheckpointFiles.open(JOURNAL, disk=disk, file_bytes=17)
        files.append(note)
        copy.follow()
    ours, theirs = JOURNAL / CHECKPOINTS_FOLDER, WITNESS / "w0" / CHECKPOINTS_FOLDER
    assert notes_names(disk, ours) == notes_names(disk, theirs)
    assert len(notes_names(disk, ours)) == 3
    assert CheckpointFiles.open(JOURNAL, disk=disk).latest == notes[-1]
