"""`dancu bulk`: the citizens of a file, up to 500 a call, each row answered or refused by itself.

Streams: neither the input nor the results are held in memory. Like every lookup each row is recorded.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dancu.cli.asking import (
    MANUAL_PROCEDURE,
    DossierOption,
    FieldOption,
    LegalBasisOption,
    MaxStalenessOption,
    OfficerOption,
    ProcedureOption,
    purpose_of,
    span_of,
)
from dancu.cli.bulk_results import FOUND, ResultsFile, RunConflictError
from dancu.cli.gateway import DataDirOption, KeyOption, TargetOption, error_to_json, gateway
from dancu.cli.output import JsonOption, LangOption, Language, complain, print_card, print_json
from dancu.cli.progress import progress

if TYPE_CHECKING:
    from dancu.cli.bulk_input import InputRow
    from dancu.cli.progress import Tick
    from dancu.client import BulkArguments, BulkItem, Client, Refused

_UNREADABLE = "UNREADABLE_ROW"
_TRIES = 4
"""How often a row is asked in one run while its refusal is one that passes."""
_FIRST_PAUSE_SECONDS = 0.5
"""Where such a refusal names no time; it doubles."""
_LONGEST_PAUSE_SECONDS = 30.0
_SILENT_LISTS = 3
"""So many lists in a row without one answer end the run: what is gone is not asked for the rest of a long file."""


def bulk(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            readable=True,
            help="CSV (a column personal_number or legacy_number, or numbers alone) or JSON lines with these names.",
        ),
    ],
    *,
    field: FieldOption = None,
    claim: Annotated[
        list[str] | None,
        typer.Option("--claim", metavar="COLUMN", help="Column to send as a claim, such as full_name; repeatable."),
    ] = None,
    batch: Annotated[int, typer.Option("--batch", metavar="N", min=1, max=500, help="Citizens a call.")] = 500,
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew; results that stand already are replaced.")
    ] = False,
    procedure: ProcedureOption = MANUAL_PROCEDURE,
    dossier: DossierOption = "",
    officer: OfficerOption = "",
    legal_basis: LegalBasisOption = "",
    max_staleness: MaxStalenessOption = None,
    target: TargetOption = None,
    key: KeyOption = None,
    data_dir: DataDirOption = None,
    timeout: Annotated[
        float,
        typer.Option("--timeout", metavar="SECONDS", min=0.001, max=3600, help="Longest wait for a call's answer."),
    ] = 120.0,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """Look up the citizens of a file. Results go to FILE.results.jsonl, one line for each row, in its order.

    Waits where a limit says so. After an interruption the same command goes on where it ended; rows whose results
    stand are not asked again.
    """
    from dancu.cli.bulk_input import CLAIM_COLUMNS, UnusableFileError, lines_in, rows_of

    claims = claim or []
    if not set(claims) <= set(CLAIM_COLUMNS):
        raise typer.BadParameter(f"one of {', '.join(CLAIM_COLUMNS)}", param_hint="--claim")
    question = {
        "fields": list(field or ()),
        "claims": claims,
        "purpose": [procedure, dossier, officer, legal_basis],
        "max_staleness": max_staleness,
    }
    with gateway(
        target=target,
        key=key,
        data_dir=data_dir,
        timeout_seconds=timeout,
        language=language,
        as_json=as_json,
        wait_for_limits=True,
    ) as client:
        asked: BulkArguments = {
            "purpose": purpose_of(procedure, dossier, officer, legal_basis),
            "fields": field or (),
            "max_staleness": span_of(max_staleness),
        }
        try:
            with closing(ResultsFile.open(file, asked=question, restart=restart)) as results:
                run = _Run(client, results, asked, language)
                run.over(rows_of(file, claims=claims), batch=batch, total=lines_in(file))
        except KeyboardInterrupt:
            complain(
                language.of(
                    "interrupted; the same command goes on where it stopped.",
                    "đã dừng; chạy lại đúng lệnh này để tiếp tục từ chỗ dừng.",
                )
            )
            raise typer.Exit(130) from None
        except RunConflictError as conflict:
            complain(str(conflict))
            raise typer.Exit(1) from None
        except UnusableFileError as error:
            complain(f"{file}: {error}")
            raise typer.Exit(1) from None
        except OSError as error:
            complain(f"{error.filename or file}: {error.strerror}")
            raise typer.Exit(1) from None
    _show(run, results, language=language, as_json=as_json)
    if run.unanswered:
        _complain_of_unanswered(run, language)
        raise typer.Exit(1)


class _Run:
    """One run over a file: asks batch after batch and writes what was answered."""

    def __init__(self, client: Client, results: ResultsFile, asked: BulkArguments, language: Language) -> None:
        self._client = client
        self._results = results
        self._asked = asked
        self._language = language
        self.counts: Counter[str] = Counter()
        """How many rows ended how, in this run."""
        self.unanswered: Counter[str] = Counter()
        """How many rows got no answer, and why the last time."""
        self.ended_early = False
        """Whether rows were left unasked, since nothing was answered any more."""

    def over(self, rows: Iterator[InputRow], *, batch: int, total: int) -> None:
        """Ask for every row that has no result yet."""
        silent = 0
        open_rows = (row for row in rows if not self._results.has(row.line))
        with progress(self._language.of("citizens", "công dân"), total=total) as tick:
            tick(self._results.done)
            while some := list(islice(open_rows, batch)):
                silent = 0 if self._ask(some, tick) else silent + 1
                if silent == _SILENT_LISTS:
                    self.ended_early = next(open_rows, None) is not None
                    break
        if not self.unanswered:
            self._results.finish()

    def _ask(self, rows: Sequence[InputRow], tick: Tick) -> bool:
        """Ask for rows and write what is told; False where none that was asked got an answer.

        What is refused for the moment only is asked again. The others' results stand before that: a run that ends
        while it waits must not have them asked, and charged, twice.
        """
        results: dict[int, dict[str, Any]] = {
            row.line: {"error": {"reason": _UNREADABLE, "message": row.mistake}} for row in rows if row.mistake
        }
        asked = left = [row for row in rows if not row.mistake]
        for tried in range(1, _TRIES + 1):
            passing: dict[int, Refused] = {}
            for row, item in zip(left, self._answers(left), strict=True):
                if item.refused is not None and _passes(item.refused):
                    passing[row.line] = item.refused
                else:
                    results[row.line] = self._told(item)
            self._write(results)
            tick(self._results.done)
            if not passing:
                return True
            results = {}
            left = [row for row in left if row.line in passing]
            if tried < _TRIES:
                time.sleep(_pause(passing.values(), tried))
        self.unanswered.update(refused.reason for refused in passing.values())
        return len(left) < len(asked)

    def _write(self, results: Mapping[int, dict[str, Any]]) -> None:
        self._results.append({"line": line, **told} for line, told in sorted(results.items()))
        self.counts.update(one["error"]["reason"] if "error" in one else FOUND for one in results.values())

    def _answers(self, rows: Sequence[InputRow]) -> Sequence[BulkItem]:
        from dancu.client import bulk_item

        items = [bulk_item(row.number, row.claims) for row in rows]
        return self._client.bulk_lookup_citizens(items, **self._asked).items if items else ()

    def _told(self, item: BulkItem) -> dict[str, Any]:
        from dancu.client import message_to_json

        if item.refused is not None:
            text = self._language.of(item.refused.message, item.refused.message_vi)
            return {"error": error_to_json(item.refused, text), "receipt": item.receipt}
        assert item.citizen is not None
        assert item.provenance is not None
        return {
            "citizen": message_to_json(item.citizen),
            "provenance": message_to_json(item.provenance),
            "receipt": item.receipt,
        }


def _passes(refused: Refused) -> bool:
    """Whether the same question may be answered a little later."""
    from dancu.client import DeadlineExceeded, Unavailable

    return isinstance(refused, Unavailable | DeadlineExceeded) or refused.retry_after is not None


def _pause(refusals: Iterable[Refused], tried: int) -> float:
    """Seconds until the next attempt: as long as the most patient of the refusals asks, within bounds."""
    asked = [one.retry_after.total_seconds() for one in refusals if one.retry_after is not None]
    return min(max(asked, default=_FIRST_PAUSE_SECONDS * 2.0 ** (tried - 1)), _LONGEST_PAUSE_SECONDS)


def _show(run: _Run, results: ResultsFile, *, language: Language, as_json: bool) -> None:
    """The outcomes of the whole file, those of earlier runs included."""
    counts = results.before + run.counts
    before = results.before
    if as_json:
        summary = {
            "results": str(results.path),
            "rows": counts.total(),
            "rows_before": before.total(),
            "outcomes": dict(sorted(counts.items())),
            "unanswered": dict(sorted(run.unanswered.items())),
        }
        print_json(summary)
        return
    words = {
        FOUND: ("found", "tìm thấy"),
        _UNREADABLE: ("rows that cannot be read", "dòng không đọc được"),
    }
    rows = [
        (language.of(*words.get(name, (name, name))), _of_which(count, before[name], language))
        for name, count in sorted(counts.items())
    ] or [(language.of("0 rows", "0 dòng"), "")]
    if counts or not run.unanswered:
        rows.append((language.of("Results", "Kết quả"), str(results.path)))
    print_card(rows)


def _of_which(count: int, before: int, language: Language) -> str:
    return f"{count:,}" + (
        language.of(f", of which {before:,} before", f", trong đó {before:,} từ trước") if before else ""
    )


def _complain_of_unanswered(run: _Run, language: Language) -> None:
    count, reasons = run.unanswered.total(), ", ".join(sorted(run.unanswered))
    if run.ended_early:
        complain(
            language.of(
                f"{count:,} rows got no answer ({reasons}), and the rows after them were not asked; the same command "
                "asks those that are left.",
                f"{count:,} dòng chưa có trả lời ({reasons}), các dòng sau chưa được hỏi; chạy lại đúng lệnh này để "
                "hỏi những dòng còn lại.",
            )
        )
        return
    complain(
        language.of(
            f"{count:,} rows got no answer ({reasons}); the same command asks just those again.",
            f"{count:,} dòng chưa có trả lời ({reasons}); chạy lại đúng lệnh này để hỏi riêng những dòng đó.",
        )
    )
