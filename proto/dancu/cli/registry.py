"""`dancu registry`: what a specialised registry holds, by hand. Like every lookup it is recorded with its purpose."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dancu.cli.asking import (
    MANUAL_PROCEDURE,
    DossierOption,
    LegalBasisOption,
    MaxStalenessOption,
    OfficerOption,
    ProcedureOption,
    digits_of,
    identity_claims,
    purpose_of,
    span_of,
)
from dancu.cli.gateway import DataDirOption, KeyOption, TargetOption, TimeoutOption, gateway
from dancu.cli.output import JsonOption, LangOption, Language, print_card, print_json

if TYPE_CHECKING:
    from dancu.client import RegistryArguments, RegistryResult

_ENTERPRISE_DIGITS = 10


class RegistryName(StrEnum):
    """The registries there are, as one types them."""

    SOCIAL_INSURANCE = "social-insurance"
    CIVIL_STATUS = "civil-status"
    DRIVING_LICENCES = "driving-licences"
    ENTERPRISES = "enterprises"
    DIGITAL_IDENTITY = "digital-identity"


UPSTREAMS = {
    RegistryName.SOCIAL_INSURANCE: ("social insurance database", "CSDL bảo hiểm xã hội"),
    RegistryName.CIVIL_STATUS: ("civil status database", "CSDL hộ tịch"),
    RegistryName.DRIVING_LICENCES: ("driving licence database", "CSDL giấy phép lái xe"),
    RegistryName.ENTERPRISES: ("enterprise registration database", "CSDL đăng ký doanh nghiệp"),
    RegistryName.DIGITAL_IDENTITY: ("digital identity database", "CSDL định danh điện tử"),
}
"""Who answers, as a person reads it."""


def registry(
    name: Annotated[RegistryName, typer.Argument(metavar="REGISTRY", help=f"One of: {', '.join(RegistryName)}.")],
    number: Annotated[
        str,
        typer.Argument(
            metavar="NUMBER",
            help="Personal number (12 digits); for enterprises also an enterprise code (10). '-' reads it from "
            "standard input, so that no list of processes shows it.",
        ),
    ],
    *,
    field: Annotated[
        list[str] | None,
        typer.Option(
            "--field",
            metavar="PATH",
            help="Field of the registry's record, such as licences.points; may be repeated. Default: all granted.",
        ),
    ] = None,
    procedure: ProcedureOption = MANUAL_PROCEDURE,
    dossier: DossierOption = "",
    officer: OfficerOption = "",
    legal_basis: LegalBasisOption = "",
    max_staleness: MaxStalenessOption = None,
    claimed_name: Annotated[str, typer.Option("--name", metavar="NAME", help="Full name claimed; must match.")] = "",
    birth_date: Annotated[
        str, typer.Option("--birth-date", metavar="YYYY-MM-DD", help="Date of birth claimed; must match.")
    ] = "",
    target: TargetOption = None,
    key: KeyOption = None,
    data_dir: DataDirOption = None,
    timeout: TimeoutOption = 5.0,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """Look up what a specialised registry holds. The lookup is recorded, with who asked and why."""
    with gateway(
        target=target, key=key, data_dir=data_dir, timeout_seconds=timeout, language=language, as_json=as_json
    ) as client:
        from dancu.client import REGISTRIES

        asked: RegistryArguments = {
            "purpose": purpose_of(procedure, dossier, officer, legal_basis),
            "fields": field or (),
            "max_staleness": span_of(max_staleness),
        }
        claims = identity_claims(claimed_name, birth_date)
        if claims is not None:
            asked["claims"] = claims
        digits = digits_of(number)
        # Whether the digits are a number is the gateway's to judge.
        if name is RegistryName.ENTERPRISES and len(digits) == _ENTERPRISE_DIGITS:
            asked["enterprise_code"] = digits
        else:
            asked["personal_number"] = digits
        found = client.lookup_registry(REGISTRIES[name.replace("-", "_")], **asked)
    _show(name.replace("-", "_"), found, language=language, as_json=as_json)


def _show(name: str, found: RegistryResult[Any], *, language: Language, as_json: bool) -> None:
    from dancu.cli.citizen_card import evidence_rows
    from dancu.cli.registry_card import record_rows
    from dancu.client import message_to_json

    if as_json:
        print_json(
            {
                name: message_to_json(found.record),
                "provenance": message_to_json(found.provenance),
                "request_id": found.request_id,
                "receipt": found.receipt,
            }
        )
        return
    evidence = evidence_rows(
        found.provenance,
        request_id=found.request_id,
        receipt=found.receipt,
        language=language,
        upstream=UPSTREAMS[RegistryName(name.replace("_", "-"))],
    )
    print_card([*record_rows(found.record, language), ("", ""), *evidence])
