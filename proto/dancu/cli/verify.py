"""`dancu verify`: are these claims true of that citizen? Tells verdicts, never what is on record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from dancu.cli.asking import (
    MANUAL_PROCEDURE,
    BirthDateOption,
    DossierOption,
    LegalBasisOption,
    MaritalName,
    MaxStalenessOption,
    NameOption,
    NumberArgument,
    OfficerOption,
    ProcedureOption,
    SexName,
    purpose_of,
    set_birth_date,
    set_number,
    span_of,
)
from dancu.cli.gateway import DataDirOption, KeyOption, TargetOption, TimeoutOption, gateway
from dancu.cli.output import JsonOption, LangOption, Language, print_card, print_json

if TYPE_CHECKING:
    from dancu.client import VerifyArguments, VerifyResult

LABELS = {
    "full_name": ("Full name", "Họ và tên"),
    "birth_date": ("Date of birth", "Ngày sinh"),
    "sex": ("Sex", "Giới tính"),
    "legacy_number": ("Legacy number (CMND)", "Số CMND"),
    "residence_province_code": ("Province of residence", "Tỉnh, thành phố thường trú"),
    "household_head_name": ("Head of household", "Chủ hộ"),
    "marital_status": ("Marital status", "Tình trạng hôn nhân"),
    "alive": ("Alive", "Còn sống"),
}
VERDICTS = {
    "match": ("matches", "khớp"),
    "match_normalized": ("matches, written differently", "khớp, cách viết khác"),
    "mismatch": ("DOES NOT MATCH", "KHÔNG KHỚP"),
    "not_held": ("not on record", "không có trong hồ sơ"),
}
NORMALIZATIONS = {
    "case": ("capitals", "chữ hoa, chữ thường"),
    "diacritics": ("no diacritics", "không dấu"),
    "d_stroke": ("d for đ", "d thay cho đ"),
    "unicode_form": ("Unicode form", "dạng Unicode"),
    "spaces": ("spaces", "khoảng trắng"),
    "word_order": ("order of words", "thứ tự các từ"),
    "year_only_birth": ("part of the date only", "ngày sinh không đầy đủ"),
    "province_code": ("province before 1 July 2025", "mã tỉnh trước ngày 01/7/2025"),
    "tone_placement": ("place of the tone mark", "vị trí đặt dấu thanh"),
}


def verify(
    number: NumberArgument,
    *,
    name: NameOption = "",
    birth_date: BirthDateOption = "",
    sex: Annotated[SexName | None, typer.Option("--sex", help="Sex claimed.")] = None,
    legacy_number: Annotated[
        str, typer.Option("--legacy-number", metavar="NUMBER", help="Legacy number (CMND) claimed.")
    ] = "",
    province: Annotated[
        str, typer.Option("--province", metavar="CODE", help="Province of residence claimed, two digits, old or new.")
    ] = "",
    province_as_of: Annotated[
        str, typer.Option("--province-as-of", metavar="YYYY-MM-DD", help="Day on which that code was written.")
    ] = "",
    head: Annotated[str, typer.Option("--head", metavar="NAME", help="Name of the household's head claimed.")] = "",
    marital_status: Annotated[MaritalName | None, typer.Option("--marital-status", help="Status claimed.")] = None,
    alive: Annotated[bool | None, typer.Option("--alive/--dead", help="Claimed to live, or to have died.")] = None,
    procedure: ProcedureOption = MANUAL_PROCEDURE,
    dossier: DossierOption = "",
    officer: OfficerOption = "",
    legal_basis: LegalBasisOption = "",
    max_staleness: MaxStalenessOption = None,
    target: TargetOption = None,
    key: KeyOption = None,
    data_dir: DataDirOption = None,
    timeout: TimeoutOption = 5.0,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """Compare claims with the record of one citizen. Exits with 0 whatever the verdicts; they are the answer."""
    with gateway(
        target=target, key=key, data_dir=data_dir, timeout_seconds=timeout, language=language, as_json=as_json
    ) as client:
        from dancu.citizen.v1.citizen_pb2 import MaritalStatus, Sex
        from dancu.client import Claims

        claims = Claims()
        for field, value in (
            ("full_name", name),
            ("legacy_number", legacy_number),
            ("residence_province_code", province),
            ("residence_as_of", province_as_of),
            ("household_head_name", head),
        ):
            if value:
                setattr(claims, field, value)
        if birth_date:
            set_birth_date(claims, birth_date)
        if sex is not None:
            claims.sex = Sex.Value(f"SEX_{sex.upper()}")
        if marital_status is not None:
            claims.marital_status = MaritalStatus.Value(f"MARITAL_STATUS_{marital_status.upper()}")
        if alive is not None:
            claims.alive = alive
        asked: VerifyArguments = {
            "claims": claims,
            "purpose": purpose_of(procedure, dossier, officer, legal_basis),
            "max_staleness": span_of(max_staleness),
        }
        set_number(asked, number)
        told = client.verify_citizen(**asked)
    _show(told, language=language, as_json=as_json)


def _show(told: VerifyResult, *, language: Language, as_json: bool) -> None:
    from dancu.cli.citizen_card import evidence_rows
    from dancu.client import message_to_json

    results = [message_to_json(result) for result in told.results]
    if as_json:
        print_json(
            {
                "results": results,
                "provenance": message_to_json(told.provenance),
                "request_id": told.request_id,
                "receipt": told.receipt,
            }
        )
        return
    rows = [(_in(LABELS, result["claim"], language), _verdict(result, language)) for result in results]
    evidence = evidence_rows(told.provenance, request_id=told.request_id, receipt=told.receipt, language=language)
    print_card([*rows, ("", ""), *evidence])


def _verdict(result: Mapping[str, object], language: Language) -> str:
    text = _in(VERDICTS, result["verdict"], language)
    needed = result.get("normalizations", [])
    assert isinstance(needed, list)
    named = ", ".join(_in(NORMALIZATIONS, one, language) for one in needed)
    return f"{text} ({named})" if named else text


def _in(words: dict[str, tuple[str, str]], name: object, language: Language) -> str:
    """The words for a name; the name itself where this version does not know it yet."""
    return language.of(*words.get(str(name), (str(name), str(name))))
