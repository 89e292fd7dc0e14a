"""`dancu lookup`: one citizen, by hand. Like every lookup it is recorded with its purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dancu.cli.asking import (
    MANUAL_PROCEDURE,
    BirthDateOption,
    DossierOption,
    FieldOption,
    LegalBasisOption,
    MaxStalenessOption,
    NameOption,
    NumberArgument,
    OfficerOption,
    ProcedureOption,
    identity_claims,
    purpose_of,
    set_number,
    span_of,
)
from dancu.cli.gateway import DataDirOption, KeyOption, TargetOption, TimeoutOption, gateway
from dancu.cli.output import JsonOption, LangOption, Language, print_card, print_json

if TYPE_CHECKING:
    from dancu.client import LookupArguments, LookupResult


def lookup(
    number: NumberArgument,
    *,
    field: FieldOption = None,
    procedure: ProcedureOption = MANUAL_PROCEDURE,
    dossier: DossierOption = "",
    officer: OfficerOption = "",
    legal_basis: LegalBasisOption = "",
    max_staleness: MaxStalenessOption = None,
    name: NameOption = "",
    birth_date: BirthDateOption = "",
    target: TargetOption = None,
    key: KeyOption = None,
    data_dir: DataDirOption = None,
    timeout: TimeoutOption = 5.0,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """Look up one citizen. The lookup is recorded, with who asked and why.

    What is claimed must match, or nothing is told.
    """
    with gateway(
        target=target, key=key, data_dir=data_dir, timeout_seconds=timeout, language=language, as_json=as_json
    ) as client:
        asked: LookupArguments = {
            "purpose": purpose_of(procedure, dossier, officer, legal_basis),
            "fields": field or (),
            "max_staleness": span_of(max_staleness),
        }
        set_number(asked, number)
        claims = identity_claims(name, birth_date)
        if claims is not None:
            asked["claims"] = claims
        found = client.lookup_citizen(**asked)
    _show(found, language=language, as_json=as_json)


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
