"""Audit records as rows: for people, for scripts and for files. Every row has every column, in this order.

A record never holds a name or a number, so neither does a row.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

from dancu.cli.output import Language
from dancu.cli.spans import VIETNAM

if TYPE_CHECKING:
    from dancu.audit.v1.audit_service_pb2 import ListedRecord

Value: TypeAlias = "str | int | bool | datetime | list[str]"
Row: TypeAlias = "dict[str, Value]"

COLUMNS = (
    *("receipt", "origin", "index", "time", "request_id", "organisation", "account", "credential_id", "officer"),
    *("procedure", "dossier", "legal_basis", "method", "subject_token", "subject_key_version", "fields", "outcome"),
    *(
        "source",
        "data_age_millis",
        "latency_micros",
        "peer",
        "policy_version",
        "count",
        "trace_id",
        "continuation",
        "target",
    ),
)
"""`outcome` is "OK", the reason of the refusal, or "INTENT" (of a change; what became of it follows).

`source` is national_db, cache, stale_cache or none; tokens are hex.
"""

LIST_COLUMNS = {
    Language.EN: ("TIME", "ACCOUNT", "OFFICER", "METHOD", "PROCEDURE", "OUTCOME", "SOURCE", "FIELDS", "RECEIPT"),
    Language.VI: (
        *("THỜI ĐIỂM", "TÀI KHOẢN", "CÁN BỘ", "PHƯƠNG THỨC", "THỦ TỤC", "KẾT QUẢ", "NGUỒN", "SỐ TRƯỜNG"),
        "BIÊN NHẬN",
    ),
}
DISCLOSURE_COLUMNS = {
    Language.EN: ("TIME", "ACCOUNT", "OFFICER", "PROCEDURE", "DOSSIER", "LEGAL BASIS", "FIELDS", "RECEIPT"),
    Language.VI: (
        *("THỜI ĐIỂM", "TÀI KHOẢN", "CÁN BỘ", "THỦ TỤC", "HỒ SƠ", "CĂN CỨ PHÁP LÝ", "CÁC TRƯỜNG"),
        "BIÊN NHẬN",
    ),
}


def row_of(listed: ListedRecord) -> Row:
    """The row of one record; `time` is a datetime in UTC, microseconds."""
    from dancu.client.audit_calls import outcome_text
    from dancu.client.message_json import enum_text
    from dancu.common.v1.common_pb2 import Provenance

    record = listed.record
    source = enum_text(Provenance.Source.DESCRIPTOR, record.source)
    values: tuple[Value, ...] = (
        listed.receipt,
        listed.receipt.partition(":")[0],
        record.index,
        record.time.ToDatetime(UTC),
        record.request_id,
        record.organisation,
        record.account,
        record.credential_id,
        record.officer,
        record.procedure,
        record.dossier,
        record.legal_basis,
        record.method,
        record.subject_token.hex(),
        record.subject_key_version,
        list(record.fields),
        "INTENT" if record.intent else outcome_text(record.outcome),
        "none" if source == "unspecified" else source,
        record.data_age_millis,
        record.latency_micros,
        record.peer,
        record.policy_version,
        record.count or 1,
        record.trace_id.hex(),
        record.continuation,
        record.target,
    )
    return dict(zip(COLUMNS, values, strict=True))


def json_row(row: Row) -> dict[str, object]:
    """The row for JSON: times in RFC 3339, UTC."""
    return {name: instant(value) if isinstance(value, datetime) else value for name, value in row.items()}


def instant(moment: datetime) -> str:
    """RFC 3339 with microseconds, so that texts sort as times do."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def list_line(row: Row) -> list[str]:
    """The cells of `LIST_COLUMNS`."""
    fields = row["fields"]
    assert isinstance(fields, list)
    return [
        _when(row),
        *_texts(row, ("account", "officer")),
        _short(str(row["method"])),
        *_texts(row, ("procedure",)),
        f"{row['outcome']} ×{row['count']}" if row["count"] != 1 else str(row["outcome"]),  # noqa: RUF001  times
        "" if row["source"] == "none" else str(row["source"]),
        str(len(fields)) if fields else "",
        str(row["receipt"]),
    ]


def disclosure_line(row: Row) -> list[str]:
    """The cells of `DISCLOSURE_COLUMNS`."""
    fields = row["fields"]
    assert isinstance(fields, list)
    told = _texts(row, ("account", "officer", "procedure", "dossier", "legal_basis"))
    return [_when(row), *told, " ".join(fields), str(row["receipt"])]


def _when(row: Row) -> str:
    moment = row["time"]
    assert isinstance(moment, datetime)
    return f"{moment.astimezone(VIETNAM):%Y-%m-%d %H:%M:%S}"


def _texts(row: Row, names: Iterable[str]) -> list[str]:
    return [str(row[name]) for name in names]


def _short(method: str) -> str:
    return method.rpartition("/")[2]
