"""`dancu household`: who lives with a citizen, as far as the account may see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dancu.cli.asking import (
    MANUAL_PROCEDURE,
    BirthDateOption,
    DossierOption,
    FieldOption,
    LegalBasisOption,
    NameOption,
    NumberArgument,
    OfficerOption,
    ProcedureOption,
    identity_claims,
    purpose_of,
    set_number,
)
from dancu.cli.gateway import DataDirOption, KeyOption, TargetOption, TimeoutOption, gateway
from dancu.cli.output import JsonOption, LangOption, Language, print_card, print_json, print_table

if TYPE_CHECKING:
    from dancu.citizen.v1.citizen_service_pb2 import HouseholdMember
    from dancu.client import HouseholdArguments, HouseholdResult

_COLUMNS = {
    Language.EN: ("", "RELATION", "PERSONAL NUMBER", "FULL NAME", "BORN", "SEX", "LIFE"),
    Language.VI: ("", "QUAN HỆ", "SỐ ĐỊNH DANH", "HỌ VÀ TÊN", "NGÀY SINH", "GIỚI TÍNH", "CÒN SỐNG"),
}
_SHOWN = ("personal_number", "full_name", "birth_date", "sex", "life_status")


def household(
    number: NumberArgument,
    *,
    field: FieldOption = None,
    procedure: ProcedureOption = MANUAL_PROCEDURE,
    dossier: DossierOption = "",
    officer: OfficerOption = "",
    legal_basis: LegalBasisOption = "",
    name: NameOption = "",
    birth_date: BirthDateOption = "",
    target: TargetOption = None,
    key: KeyOption = None,
    data_dir: DataDirOption = None,
    timeout: TimeoutOption = 5.0,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """Look up the household of one citizen, marked `*`. Every member shown is on record.

    --json prints every field of every member; the table shows the first few.
    """
    with gateway(
        target=target, key=key, data_dir=data_dir, timeout_seconds=timeout, language=language, as_json=as_json
    ) as client:
        asked: HouseholdArguments = {
            "purpose": purpose_of(procedure, dossier, officer, legal_basis),
            "fields": field or (),
        }
        set_number(asked, number)
        claims = identity_claims(name, birth_date)
        if claims is not None:
            asked["claims"] = claims
        found = client.lookup_household(**asked)
    _show(found, language=language, as_json=as_json)


def _show(found: HouseholdResult, *, language: Language, as_json: bool) -> None:
    from dancu.cli.citizen_card import evidence_rows
    from dancu.client import message_to_json

    if as_json:
        print_json(
            {
                "household_id": found.household_id,
                "members": [message_to_json(member) for member in found.members],
                "provenance": message_to_json(found.provenance),
                "request_id": found.request_id,
                "receipts": list(found.receipts),
            }
        )
        return
    if found.members:
        print_table(_COLUMNS[language], [_row(member, language) for member in found.members])
    else:
        print_card([(language.of("Household", "Hộ gia đình"), language.of("none", "không có"))])
    rows = [(language.of("Household", "Hộ gia đình"), found.household_id)] if found.household_id else []
    receipt = found.receipts[0] if found.receipts else ""
    evidence = evidence_rows(found.provenance, request_id=found.request_id, receipt=receipt, language=language)
    more = [("", receipt) for receipt in found.receipts[1:]]
    print_card([("", ""), *rows, *evidence, *more])


def _row(member: HouseholdMember, language: Language) -> list[str]:
    from dancu.citizen.v1.citizen_pb2 import HouseholdRelation
    from dancu.cli.citizen_card import WORDS, shown_fields
    from dancu.client.message_json import enum_text

    relation = enum_text(HouseholdRelation.DESCRIPTOR, member.relation)
    values = shown_fields(member.citizen, language)
    return [
        "*" if member.is_subject else "",
        language.of(relation, WORDS.get(relation, "")),
        *(values.get(name, "") for name in _SHOWN),
    ]
