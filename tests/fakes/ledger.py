"""Journals written without a gateway, and a ledger that takes them in, for tests of what is counted and listed."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapters.journal.disk import OsDisk
from adapters.journal.segment_log import SegmentLog
from adapters.journal.segments import fresh_nonce
from adapters.ledger.ingest import Ingest
from adapters.ledger.sqlite_store import SqliteLedgerStore
from dancu.audit.v1.audit_record_pb2 import AuditRecord
from dancu.common.v1 import common_pb2
from gateway.audit.stamp import stamp_index
from gateway.errors import Reason

LOOKUP = "dancu.citizen.v1.CitizenService/LookupCitizen"
BULK = "dancu.citizen.v1.CitizenService/BulkLookupCitizens"
EPOCH = 1_790_000_000
"""An hour of September 2026 in which the records of tests begin."""


def audit_record(**fields: Any) -> AuditRecord:
    """A record of an answered lookup; `time` in seconds since the epoch."""
    time = fields.pop("time", float(EPOCH))
    defaults: dict[str, Any] = {
        "request_id": "r-1",
        "organisation": "01",
        "account": "01/mot-cua",
        "method": LOOKUP,
        "procedure": "1.004222",
        "dossier": "H01-1",
        "subject_token": b"s" * 32,
        "subject_key_version": 1,
        "fields": ["full_name"],
        "source": common_pb2.Provenance.SOURCE_CACHE,
    }
    record = AuditRecord(**(defaults | fields))
    seconds = int(time)
    record.time.seconds = seconds
    record.time.nanos = round((time - seconds) * 1e9)
    return record


def random_records(
    chance: random.Random, count: int, *, start: float = EPOCH, span: float = 86_400 * 40
) -> list[AuditRecord]:
    """Records of every kind the counting tells apart: answers, refusals, counted refusals, calls for many citizens."""
    records: list[AuditRecord] = []
    while len(records) < count:
        organisation = chance.choice(("01", "79", "BTP"))
        common = {
            "time": start + chance.random() * span,
            "organisation": organisation,
            "account": f"{organisation}/{chance.choice(('mot-cua', 'ho-tich'))}",
            "procedure": chance.choice(("", "1.004222", "2.000635")),
            "dossier": chance.choice(("", f"H-{chance.randrange(30)}")),
            "officer": chance.choice(("", "cb-17")),
        }
        match chance.randrange(5):
            case 0:
                records.append(
                    audit_record(
                        **common,
                        fields=[],
                        subject_token=b"",
                        outcome=Reason.RATE_LIMITED,
                        count=chance.randrange(1, 500),
                        source=0,
                    )
                )
            case 1:
                outcome = chance.choice((Reason.CITIZEN_NOT_FOUND, Reason.FIELD_NOT_GRANTED))
                records.append(audit_record(**common, fields=[], outcome=outcome))
            case 2:
                request_id = f"bulk-{chance.getrandbits(40):x}"
                for at in range(chance.randrange(1, 30)):
                    found = chance.random() < 0.8
                    records.append(
                        audit_record(
                            **common,
                            method=BULK,
                            request_id=request_id,
                            subject_token=chance.randbytes(32),
                            fields=["full_name", "sex"] if found else [],
                            outcome=0 if found else Reason.CITIZEN_NOT_FOUND,
                            continuation=at > 0,
                        )
                    )
            case _:
                records.append(
                    audit_record(
                        **common,
                        request_id=f"r-{chance.getrandbits(40):x}",
                        subject_token=bytes([chance.randrange(20)]) * 32,
                        fields=chance.choice((["*"], ["full_name"], ["full_name", "birth_date"], [])),
                        source=chance.choice((1, 2, 3)),
                    )
                )
    return records[:count]


class JournalWriter:
    """A worker's journal without the worker."""

    def __init__(self, root: Path, origin: str = "m-w0", *, segment_bytes: int = 64 << 20) -> None:
        self.directory = root / origin
        self._log = SegmentLog.open(
            directory=self.directory,
            origin=origin,
            segment_bytes=segment_bytes,
            disk=OsDisk(),
            now=lambda: datetime.now(UTC),
            nonce=fresh_nonce,
        )
        self._log.establish()

    def write(self, records: Iterable[AuditRecord]) -> None:
        """Make the records durable, as one batch."""
        start = self._log.next_index
        self._log.commit([stamp_index(one.SerializeToString(), start + at) for at, one in enumerate(records)])

    def write_raw(self, payloads: Sequence[bytes]) -> None:
        """Make these bytes durable, whatever they are."""
        self._log.commit(payloads)

    @property
    def next_index(self) -> int:
        return self._log.next_index

    def close(self) -> None:
        self._log.close()


@dataclass
class IngestObserved:
    """`IngestObserver` and `KeepingObserver` that keeps what it was told last."""

    lags: dict[str, int] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    stopped_now: dict[str, bool] = field(default_factory=dict)
    unsigned: dict[str, bool] = field(default_factory=dict)
    gone: bool = False

    def lag(self, origin: str, records: int) -> None:
        self.lags[origin] = records

    def ingested(self, origin: str, records: int) -> None:
        self.taken[origin] += records

    def stopped(self, origin: str, *, is_stopped: bool) -> None:
        self.stopped_now[origin] = is_stopped

    def checkpoints_stopped(self, origin: str, *, is_stopped: bool) -> None:
        self.unsigned[origin] = is_stopped

    def ledger_gone(self, *, is_gone: bool) -> None:
        self.gone = is_gone


class LedgerWorld:
    """A data directory with journals and a ledger."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "journal"
        self.path = folder / "ledger.sqlite"
        self.observed = IngestObserved()
        SqliteLedgerStore.open(self.path, create=True).close()

    def ingest(self, **options: Any) -> Ingest:
        """A new ingest, as after a restart."""
        return Ingest(
            root=self.root,
            open_store=lambda: SqliteLedgerStore.open(self.path),
            observer=self.observed,
            **({"recheck_seconds": 0.0} | options),
        )

    def catch_up(self, **options: Any) -> int:
        """Ingest all there is; returns how many records that were."""
        ingest = self.ingest(**options)
        try:
            taken = 0
            while step := ingest.step():
                taken += step
            return taken
        finally:
            ingest.close()
