"""A small installation's evidence on real files: journals, checkpoints, keys and a witness."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from adapters.journal.disk import Disk, OsDisk
from adapters.journal.findings import FindingKind, Progress, Verification
from adapters.journal.frames import encode, payloads, scan
from adapters.journal.keeper import JournalKeeper
from adapters.journal.mark import DurableMark
from adapters.journal.reader import JournalReader
from adapters.journal.segment_log import SegmentLog
from adapters.journal.segments import SegmentEnd, SegmentName, decode_header, fresh_nonce, segments_of
from adapters.journal.verify import OnProgress, verify
from gateway.audit.notes import SignerKey

START = datetime(2030, 1, 1, tzinfo=UTC)


def record(index: int) -> bytes:
    """What is journalled at an index."""
    return b"record %d of somebody's question" % index


@dataclass
class Evidence:
    """Everything under one folder."""

    folder: Path
    signer: SignerKey = field(default_factory=lambda: SignerKey("dancu.example", bytes(range(32))))
    with_witness: bool = True

    @property
    def root(self) -> Path:
        return self.folder / "journal"

    @property
    def witness(self) -> Path:
        return self.folder / "witness"

    def journal(self, origin: str = "w0") -> Path:
        return self.root / origin

    def segments(self, origin: str = "w0") -> list[SegmentName]:
        return segments_of(path.name for path in self.journal(origin).iterdir())

    def segment(self, at: int, origin: str = "w0") -> Path:
        return self.journal(origin) / str(self.segments(origin)[at])

    def notes(self, at: int = -1, origin: str = "w0") -> Path:
        return sorted((self.journal(origin) / "checkpoints").glob("*.notes"))[at]

    def open_log(
        self, origin: str = "w0", *, segment_bytes: int = 2000, day: int = 0, disk: Disk | None = None
    ) -> SegmentLog:
        log = SegmentLog.open(
            directory=self.journal(origin),
            origin=origin,
            segment_bytes=segment_bytes,
            disk=disk if disk is not None else OsDisk(),
            now=lambda: START + timedelta(days=day),
            nonce=fresh_nonce,
        )
        log.establish()
        return log

    def write(self, records: int, origin: str = "w0", *, segment_bytes: int = 2000, day: int = 0) -> None:
        """One process's life: so many more records, in commits of 15."""
        log = self.open_log(origin, segment_bytes=segment_bytes, day=day)
        end = log.next_index + records
        while log.next_index < end:
            log.commit([record(log.next_index + at) for at in range(min(15, end - log.next_index))])
        log.close()

    def keeper(self, origin: str = "w0", *, signer: SignerKey | None = None) -> JournalKeeper:
        signer = signer if signer is not None else self.signer
        return JournalKeeper(
            journal=self.journal(origin),
            signers=lambda: [signer],
            verifiers=lambda: [self.signer.verifier],
            witness=self.witness if self.with_witness else None,
        )

    def sign(self, origin: str = "w0") -> str:
        """One life of the keeper: take up everything and sign."""
        keeper = self.keeper(origin)
        while keeper.advance():
            pass
        note = keeper.checkpoint()
        keeper.close()
        assert note is not None
        return note

    def grow(self, rounds: int = 4, records: int = 37, origin: str = "w0", *, segment_bytes: int = 2000) -> None:
        """Several lives, a checkpoint after each; the segments of each are a day younger."""
        for day in range(rounds):
            self.write(records, origin, segment_bytes=segment_bytes, day=day)
            self.sign(origin)

    def forge(self, change: Callable[[int, list[bytes]], list[bytes]], origin: str = "w0") -> None:
        """Rewrite a journal as somebody would who knows every format: all checksums, headers and the mark fit again.

        `change` gets the place of a segment and its records; the names of the files stay as they are.
        """
        previous: SegmentEnd | None = None
        segments = self.segments(origin)
        for at, name in enumerate(segments):
            path = self.journal(origin) / str(name)
            data = path.read_bytes()
            opened = decode_header(data, str(name))
            stored = payloads(memoryview(data), opened.end, scan(memoryview(data), opened.end, opened.chain).end)
            changed = change(at, [bytes(one) for one in stored])
            header = replace(opened.header, previous=previous)
            head, chain = header.encode()
            encoded = encode(changed, chain)
            path.write_bytes(head + encoded.data)
            previous = SegmentEnd(name.sequence, len(head) + len(encoded.data), encoded.chain)
            mark = DurableMark(name.sequence, header.nonce, previous.length, name.first_index + len(changed))
        (self.journal(origin) / "durable").write_bytes(mark.encode())

    def records(self, origin: str = "w0") -> list[bytes]:
        return [one.data for one in JournalReader(self.journal(origin))]

    def verify(self, *, witness: bool = True, progress: OnProgress | None = None) -> Verification:
        return verify(
            self.root,
            verifiers=[self.signer.verifier],
            witness=self.witness if witness and self.with_witness else None,
            progress=progress,
        )

    def kinds(self, *, witness: bool = True) -> set[FindingKind]:
        return {finding.kind for finding in self.verify(witness=witness).findings}


def kinds_of(outcome: Verification) -> Sequence[FindingKind]:
    return [finding.kind for finding in outcome.findings]


__all__ = ["START", "Evidence", "Progress", "kinds_of", "record"]
