"""`dancu bulk`: the citizens of a file, up to 500 a call, each row answered or refused by itself.

Streams: neither the input nor the results are held in memory. Like every lookup each row is recorded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
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
from dancu.cli.gateway import DataDirOption, KeyOption, TargetOption, error_to_json, gateway
from dancu.cli.output import JsonOption, LangOption, Language, complain, print_card, print_json
from dancu.cli.progress import progress

if TYPE_CHECKING:
    from dancu.cli.bulk_input import InputRow
    from dancu.cli.bulk_results import ResultsFile
    from dancu.client import BulkArguments, BulkItem, Client

_FOUND = "FOUND"
_UNREADABLE = "UNREADABLE_ROW"


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
    from dancu.cli.bulk_results import ResultsFile, RunConflictError

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
                counts = run.over(rows_of(file, claims=claims), batch=batch, total=lines_in(file))
        except RunConflictError as conflict:
            complain(str(conflict))
            raise typer.Exit(1) from None
        except UnusableFileError as error:
            complain(f"{file}: {error}")
            raise typer.Exit(1) from None
        except OSError as error:
            complain(f"{error.filename or file}: {error.strerror}")
            raise typer.Exit(1) from None
    _show(counts, results.path, language=language, as_json=as_json)


class _Run:
    """One run over a file: asks batch after batch and writes what was answered."""

    def __init__(self, client: Client, results: ResultsFile, asked: BulkArguments, language: Language) -> None:
        self._client = client
        self._results = results
        self._asked = asked
        self._language = language

    def over(self, rows: Iterator[InputRow], *, batch: int, total: int) -> Counter[str]:
        """Ask for every row that has no result yet; returns how many ended how, in this run."""
        counts: Counter[str] = Counter()
        already = self._results.done
        for _ in zip(range(already), rows, strict=False):
            pass  # their results stand
        with progress(self._language.of("citizens", "công dân"), total=total) as tick:
            tick(already)
            while some := list(islice(rows, batch)):
                told = self._ask(some)
                self._results.append(told)
                counts.update(one["error"]["reason"] if "error" in one else _FOUND for one in told)
                tick(self._results.done)
        self._results.finish()
        return counts

    def _ask(self, rows: Sequence[InputRow]) -> list[dict[str, Any]]:
        from dancu.client import bulk_item

        items = [bulk_item(row.number, row.claims) for row in rows if not row.mistake]
        answers = iter(self._client.bulk_lookup_citizens(items, **self._asked).items if items else ())
        return [
            {"line": row.line, "error": {"reason": _UNREADABLE, "message": row.mistake}}
            if row.mistake
            else {"line": row.line, **self._told(next(answers))}
            for row in rows
        ]

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


def _show(counts: Counter[str], path: Path, *, language: Language, as_json: bool) -> None:
    if as_json:
        print_json({"results": str(path), "rows": counts.total(), "outcomes": dict(sorted(counts.items()))})
        return
    words = {
        _FOUND: ("found", "tìm thấy"),
        _UNREADABLE: ("rows that cannot be read", "dòng không đọc được"),
    }
    rows = [(language.of(*words.get(name, (name, name))), f"{count:,}") for name, count in sorted(counts.items())]
    print_card([*rows, (language.of("Results", "Kết quả"), str(path))])
