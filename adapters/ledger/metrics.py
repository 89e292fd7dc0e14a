"""What the control process tells Prometheus about the evidence."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class EvidenceMetrics:
    """Metrics of ledger and checkpoints; create it after `adapters.metrics.configure`. No method raises or blocks."""

    def __init__(self, *, registry: CollectorRegistry | None = None) -> None:
        """One for each process."""
        own = registry or CollectorRegistry()
        self._lag = Gauge(
            "dancu_ingest_lag_records",
            "Durable records of a journal that are not in the ledger yet.",
            ("origin",),
            multiprocess_mode="livemax",
            registry=own,
        )
        self._stopped = Gauge(
            "dancu_ingest_stopped",
            "1 while a journal is not ingested because it is damaged; the log says how.",
            ("origin",),
            multiprocess_mode="livemax",
            registry=own,
        )
        self._unsigned = Gauge(
            "dancu_checkpoints_stopped",
            "1 while a journal's tree cannot be signed; the log says why.",
            ("origin",),
            multiprocess_mode="livemax",
            registry=own,
        )
        self._records = Counter("dancu_ingest_records", "Records taken into the ledger.", ("origin",), registry=own)
        self._degraded = Gauge(
            "dancu_degraded",
            "1 while the gateway goes on without this dependency.",
            ("dependency",),
            multiprocess_mode="livemax",
            registry=own,
        )

    def lag(self, origin: str, records: int) -> None:
        """How many durable records wait."""
        self._lag.labels(origin).set(records)

    def ingested(self, origin: str, records: int) -> None:
        """Records are in the ledger."""
        self._records.labels(origin).inc(records)

    def stopped(self, origin: str, *, is_stopped: bool) -> None:
        """A journal cannot be read further, or can be again."""
        self._stopped.labels(origin).set(1 if is_stopped else 0)

    def checkpoints_stopped(self, origin: str, *, is_stopped: bool) -> None:
        """A journal's tree cannot be signed, or can be again."""
        self._unsigned.labels(origin).set(1 if is_stopped else 0)

    def ledger_gone(self, *, is_gone: bool) -> None:
        """The ledger cannot be written, or can be again."""
        self._degraded.labels("ledger").set(1 if is_gone else 0)
