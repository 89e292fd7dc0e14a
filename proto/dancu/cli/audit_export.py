"""`dancu audit export`: records to a file for other programs, page by page, so that memory stays flat.

Owns the file formats. A file has its name only once it is whole: what is written goes under another name beside it,
which is removed where the export fails. Files are readable by their owner alone.
"""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Protocol, TextIO

import typer

from dancu.cli.administration import AdminKeyOption, AdminTargetOption
from dancu.cli.audit import record_filter
from dancu.cli.audit_rows import COLUMNS, Row, Value, instant, row_of
from dancu.cli.audit_source import InstallationOption, audit_source, record_pages
from dancu.cli.gateway import TimeoutOption
from dancu.cli.output import LangOption, Language, complain
from dancu.cli.progress import progress
from dancu.cli.spans import FromOption, ToOption, span

ROW_GROUP_ROWS = 20_000
"""Rows of a Parquet row group: some megabytes of memory, and few enough groups to read quickly."""

# What a spreadsheet would run as a formula instead of showing it (OWASP, CSV injection).
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_NUMBERS = {
    "index": "uint64",
    "subject_key_version": "uint32",
    "data_age_millis": "uint64",
    "latency_micros": "uint64",
    "policy_version": "uint64",
    "count": "uint32",
}


class Format(StrEnum):
    """A file format."""

    CSV = "csv"
    PARQUET = "parquet"


class RowWriter(Protocol):
    """Writes rows of `COLUMNS`."""

    def write(self, rows: Sequence[Row]) -> None:
        """Add rows."""

    def close(self) -> None:
        """Finish the file."""


def export(
    *,
    file_format: Annotated[Format, typer.Option("--format", help="csv, or parquet for analysis.")] = Format.CSV,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="File to write; CSV goes to standard output without one."),
    ] = None,
    since: FromOption = "",
    until: ToOption = "",
    target: AdminTargetOption = None,
    key: AdminKeyOption = None,
    data_dir: InstallationOption = None,
    timeout: TimeoutOption = 30.0,
    language: LangOption = Language.EN,
) -> None:
    """Write all records of a stretch of time to a file, the latest first, each with its receipt.

    In CSV, text that a spreadsheet would run as a formula gets an apostrophe before it; Parquet holds every text as it
    was recorded.
    """
    if output is None and file_format is Format.PARQUET:
        raise typer.BadParameter("Parquet needs a file", param_hint="-o")
    asked = record_filter(within=span(since, until))
    with audit_source(
        target=target, key=key, data_dir=data_dir, timeout_seconds=timeout, language=language, as_json=False
    ) as source:
        pages = ([row_of(listed) for listed in page] for page in record_pages(source, asked, limit=None))
        try:
            written = write_rows(pages, file_format=file_format, output=output, language=language)
        except OSError as error:
            if output is None:
                raise
            complain(f"{output}: {error.strerror or error}")
            raise typer.Exit(1) from None
    if output is not None:
        complain(language.of(f"{written} records in {output}", f"{written} bản ghi trong {output}"))


def write_rows(pages: Iterable[Sequence[Row]], *, file_format: Format, output: Path | None, language: Language) -> int:
    """Write the pages as they come; returns how many rows. Raises `OSError`, with no partial file left behind."""
    written = 0
    with _writer(file_format, output) as writer, progress(language.of("records", "bản ghi")) as tick:
        for page in pages:
            writer.write(page)
            written += len(page)
            tick(written)
    return written


@contextmanager
def _writer(file_format: Format, output: Path | None) -> Iterator[RowWriter]:
    if output is None:
        yield CsvWriter(sys.stdout)
        return
    scratch = output.with_name(f".{output.name}.{os.getpid()}.part")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            writer: RowWriter = CsvWriter(stream) if file_format is Format.CSV else ParquetWriter(stream.buffer)
            # Closed in failure too, before its file is.
            with closing(writer):
                yield writer
            stream.flush()
            os.fsync(stream.fileno())
        scratch.replace(output)
    finally:
        scratch.unlink(missing_ok=True)


class CsvWriter:
    """RFC 4180 with a heading, UTF-8; lists are separated by spaces, times in RFC 3339."""

    def __init__(self, stream: TextIO) -> None:
        self._rows = csv.writer(stream)
        self._rows.writerow(COLUMNS)

    def write(self, rows: Sequence[Row]) -> None:
        """See `RowWriter`."""
        self._rows.writerows([csv_cell(value) for value in row.values()] for row in rows)

    def close(self) -> None:
        """See `RowWriter`; the stream is whoever's gave it."""


def csv_cell(value: Value) -> str | int:
    """The value as a cell that every reader shows and none runs."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return value
    if isinstance(value, datetime):
        return instant(value)
    text = " ".join(value) if isinstance(value, list) else value
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


class ParquetWriter:
    """Parquet with Zstandard, in row groups of `ROW_GROUP_ROWS`."""

    def __init__(self, stream: Any) -> None:
        # Takes a third of a second to import, and only this format needs it.
        import pyarrow as pa
        from pyarrow import parquet

        self._arrow = pa
        self._schema = pa.schema([(name, self._type(name)) for name in COLUMNS])
        self._file = parquet.ParquetWriter(stream, self._schema, compression="zstd")
        self._waiting: list[Row] = []

    def write(self, rows: Sequence[Row]) -> None:
        """See `RowWriter`."""
        self._waiting.extend(rows)
        if len(self._waiting) >= ROW_GROUP_ROWS:
            self._flush()

    def close(self) -> None:
        """See `RowWriter`."""
        if self._waiting:
            self._flush()
        self._file.close()

    def _flush(self) -> None:
        rows, self._waiting = self._waiting, []
        self._file.write_table(self._arrow.Table.from_pylist(rows, schema=self._schema))

    def _type(self, name: str) -> Any:
        arrow = self._arrow
        if name == "time":
            return arrow.timestamp("us", tz="UTC")
        if name == "fields":
            return arrow.list_(arrow.string())
        if name == "continuation":
            return arrow.bool_()
        return getattr(arrow, _NUMBERS[name])() if name in _NUMBERS else arrow.string()
