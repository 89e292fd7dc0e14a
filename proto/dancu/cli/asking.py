"""What every command that asks about citizens takes: numbers, the purpose, and claims.

Owns the options and how they become a request; what is valid is the gateway's to judge.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from dancu.client import Claims, OneCitizen, Purpose

LEGACY_DIGITS = 9
MANUAL_PROCEDURE = "cli.manual"
"""What a question by hand states as its procedure unless told another: the truth."""

NumberArgument = Annotated[
    str,
    typer.Argument(
        metavar="NUMBER",
        help="Personal number (12 digits) or legacy number (9). '-' reads it from standard input, "
        "so that no list of processes shows it.",
    ),
]
FieldOption = Annotated[
    list[str] | None,
    typer.Option(
        "--field", metavar="PATH", help="Field wanted, such as full_name; may be repeated. Default: all granted."
    ),
]
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
NameOption = Annotated[str, typer.Option("--name", metavar="NAME", help="Full name claimed.")]
BirthDateOption = Annotated[
    str, typer.Option("--birth-date", metavar="YYYY-MM-DD", help="Date of birth claimed. Also YYYY-MM or YYYY.")
]
SexName = Literal["male", "female"]
MaritalName = Literal["single", "married", "widowed", "divorced"]


def set_number(asked: OneCitizen, typed: str) -> None:
    """Ask about the number that was typed, without the spaces people copy along with it; `-` reads standard input."""
    digits = digits_of(typed)
    # Whether the digits are a number is the gateway's to judge.
    if len(digits) == LEGACY_DIGITS and digits.isdigit():
        asked["legacy_number"] = digits
    else:
        asked["personal_number"] = digits


def digits_of(typed: str) -> str:
    """What was typed without spaces; `-` reads a line of standard input."""
    text = sys.stdin.readline() if typed == "-" else typed
    return "".join(text.split())


def span_of(seconds: float | None) -> timedelta | None:
    """The age that `--max-staleness` allows; None where it was not given."""
    return None if seconds is None else timedelta(seconds=seconds)


def purpose_of(procedure: str, dossier: str, officer: str, legal_basis: str) -> Purpose:
    """The purpose that the options state."""
    from dancu.client import Purpose  # loads grpc, which usage mistakes need not wait for

    return Purpose(procedure_code=procedure, dossier_code=dossier, officer_id=officer, legal_basis=legal_basis)


def identity_claims(name: str, birth_date: str) -> Claims | None:
    """Name and birth date as claims; None where neither is claimed."""
    from dancu.client import Claims

    claims = Claims()
    if name:
        claims.full_name = name
    if birth_date:
        set_birth_date(claims, birth_date)
    return claims if claims.ListFields() else None


def set_birth_date(claims: Claims, text: str) -> None:
    """Claim a birth date. Raises the usage mistake that it is not of its form."""
    from dancu.client import parse_birth_date

    try:
        claims.birth_date.CopyFrom(parse_birth_date(text))
    except ValueError:
        raise typer.BadParameter("YYYY-MM-DD, YYYY-MM or YYYY", param_hint="--birth-date") from None
