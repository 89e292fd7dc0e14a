"""Whether what a caller claims of a citizen agrees with the record.

Pure. A claim that is absent is not compared; a claim about something the record does not hold does not agree.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any, Literal

from dancu.citizen.v1 import citizen_pb2
from dancu.common.v1 import common_pb2


def first_mismatch(claims: citizen_pb2.Claims, citizen: citizen_pb2.Citizen) -> str | None:
    """Name of the first claim that does not agree with the record; None when all agree."""
    for claim, value in claims.ListFields():
        if not _AGREES[claim.name](value, citizen):
            return claim.name
    return None


def same_name(claimed: str, held: str) -> bool:
    """Equal but for case, Unicode form and spaces; an empty name equals nothing."""
    return _plain(claimed) == _plain(held) != ""


def same_birth_date(claimed: common_pb2.BirthDate, held: common_pb2.BirthDate) -> bool:
    """Equal in every part that both state; the year always."""
    parts: tuple[Literal["month", "day"], ...] = ("month", "day")
    return claimed.year == held.year and all(
        getattr(claimed, part) == getattr(held, part)
        for part in parts
        if claimed.HasField(part) and held.HasField(part)
    )


def _plain(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


_AGREES: dict[str, Callable[[Any, citizen_pb2.Citizen], bool]] = {
    "full_name": lambda claimed, citizen: same_name(claimed, citizen.full_name),
    "birth_date": lambda claimed, citizen: same_birth_date(claimed, citizen.birth_date),
    "sex": lambda claimed, citizen: claimed == citizen.sex,
    "legacy_number": lambda claimed, citizen: claimed == citizen.legacy_number,
    "residence_province_code": lambda claimed, citizen: claimed == citizen.permanent_residence.province_code,
    "household_head_name": lambda claimed, citizen: same_name(claimed, citizen.household.head.full_name),
    "marital_status": lambda claimed, citizen: claimed == citizen.marital_status,
    "alive": lambda claimed, citizen: claimed == (citizen.life_status == citizen_pb2.LIFE_STATUS_ALIVE),
}
