"""`dancu lookup`: one citizen, by hand. Like every lookup it is recorded with its purpose."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from dancu.cli.gateway import DataDirOption, KeyOption, TargetOption, TimeoutOption, gateway
from dancu.cli.output import JsonOption, LangOption, Language, print_card, print_json

if TYPE_CHECKING:
    from dancu.client import Claims, LookupArguments, LookupResult

LEGACY_DIGITS = 9
MANUAL_PROCEDURE = "cli.manual"
"""What a lookup by hand states as its procedure unless told another: the truth."""

ProcedureOption = Annotated[
    str, typer.Option("--procedure", metavar="CODE", help="Administrative procedure asked for.")
]
DossierOption = Annotated[str, typer.Option("--dossier", metavar="CODE", help="Dossier asked for.")]
OfficerOption = Annotated[str, typer.Option("--officer", metavar="ID", help="The officer who asks.")]
LegalBasisOption = Annotated[str, typer.Option("--legal-basis", metavar="TEXT", help="Legal basis of the question.")]
MaxStalenessOption = Annotated[
    float | None,
    typer.Option(
        "--max-staleness",
        metavar="SECONDS",
        min=0,
        max=10**9,
        help="Oldest copy accepted; 0 asks the national database.",
    ),
]


def lookup(
    number: Annotated[
        str,
        typer.Argument(
            metavar="NUMBER",
            help="Personal number (12 digits) or legacy number (9). '-' reads it from standard input, "
            "so that no list of processes shows it.",
        ),
    ],
    *,
    field: Annotated[
        list[str] | None,
        typer.Option(
            "--field", metavar="PATH", help="Field wanted, such as full_name; may be repeated. Default: all granted."
        ),
    ] = None,
    procedure: ProcedureOption = MANUAL_PROCEDURE,
    dossier: DossierOption = "",
    officer: OfficerOption = "",
    legal_basis: LegalBasisOption = "",
    max_staleness: MaxStalenessOption = None,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Full name claimed; must match.")] = "",
    birth_date: Annotated[
        str,
        typer.Option(
            "--birth-date", metavar="YYYY-MM-DD", help="Date of birth claimed; must match. Also YYYY-MM or YYYY."
        ),
    ] = "",
    target: TargetOption = None,
    key: KeyOption = None,
    data_dir: DataDirOption = None,
    timeout: TimeoutOption = 5.0,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """Look up one citizen. The lookup is recorded, with who asked and why."""
    with gateway(
        target=target, key=key, data_dir=data_dir, timeout_seconds=timeout, language=language, as_json=as_json
    ) as client:
        from dancu.client import Purpose

        asked: LookupArguments = {
            "purpose": Purpose(
                procedure_code=procedure, dossier_code=dossier, officer_id=officer, legal_basis=legal_basis
            ),
            "fields": field or (),
            "max_staleness": span_of(max_staleness),
        }
        claims = claims_of(name, birth_date)
        if claims is not None:
            asked["claims"] = claims
        digits = digits_of(number)
        # Whether the digits are a number is the gateway's to judge.
        if len(digits) == LEGACY_DIGITS and digits.isdigit():
            asked["legacy_number"] = digits
        else:
            asked["personal_number"] = digits
        found = client.lookup_citizen(**asked)
    _show(found, language=language, as_json=as_json)


def digits_of(number: str) -> str:
    """The number without the spaces that people copy along with it."""
    text = sys.stdin.readline() if number == "-" else number
    return "".join(text.split())


def span_of(seconds: float | None) -> timedelta | None:
    """The age that `--max-staleness` allows; None where it was not given."""
    return None if seconds is None else timedelta(seconds=seconds)


def claims_of(name: str, birth_date: str) -> Claims | None:
    """What was claimed on the command line; None for nothing. A date that is none is a usage error."""
    from dancu.client import Claims, parse_birth_date

    if not name and not birth_date:
        return None
    claims = Claims()
    if name:
        claims.full_name = name
    if birth_date:
        try:
            claims.birth_date.CopyFrom(parse_birth_date(birth_date))
        except ValueError:
            raise typer.BadParameter("YYYY-MM-DD, YYYY-MM or YYYY", param_hint="--birth-date") from None
    return claims


def _show(found: LookupResult, *, language: Language, as_json: bool) -> None:
    from dancu.cli.citizen_card import citizen_rows, evidence_rows
    from dancu.client import message_to_json

    if as_json:
        print_json(
            {
                "citizen": message_to_json(found.citizen),
                "provenance": message_to_json(found.provenance),
                "request_id": found.request_id,
                "receipt": found.receipt,
            }
        )
        return
    evidence = evidence_rows(found.provenance, request_id=found.request_id, receipt=found.receipt, language=language)
    print_card([*citizen_rows(found.citizen, language), ("", ""), *evidence])
