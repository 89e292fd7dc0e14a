"""Whether what a caller claims of a citizen agrees with the record, claim by claim.

Pure. Owns the verdict on each claim and the stricter rule for identity. A claim that is absent is not compared; a claim
about something the record does not hold is told as that. docs/matching.md is this module in prose.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

from dancu.citizen.v1 import citizen_pb2, citizen_service_pb2
from dancu.common.v1 import common_pb2
from gateway.citizens.names import NameHabit, habits_between, same_when_typed
from gateway.geography.provinces import is_within, read_code

QUALIFIERS: Final = frozenset({"residence_as_of"})
"""Fields of `Claims` that say how another one is meant."""

COMPARED_FIELDS: Final = {
    "full_name": "full_name",
    "birth_date": "birth_date",
    "sex": "sex",
    "legacy_number": "legacy_number",
    "residence_province_code": "permanent_residence.province_code",
    "household_head_name": "household.head.full_name",
    "marital_status": "marital_status",
    "alive": "life_status",
}
"""The path of `Citizen` that each claim is about."""

IDENTITY_CLAIMS: Final = ("full_name", "birth_date")
"""What states who is meant (Decree 70/2024 art. 10): the asker knows it, so comparing it needs no right to see it."""

_MATCH = citizen_service_pb2.VERDICT_MATCH
_NORMALIZED = citizen_service_pb2.VERDICT_MATCH_NORMALIZED
_MISMATCH = citizen_service_pb2.VERDICT_MISMATCH
_NOT_HELD = citizen_service_pb2.VERDICT_NOT_HELD
_HABITS: Final = {
    NameHabit.CASE: citizen_service_pb2.NORMALIZATION_CASE,
    NameHabit.DIACRITICS: citizen_service_pb2.NORMALIZATION_DIACRITICS,
    NameHabit.D_STROKE: citizen_service_pb2.NORMALIZATION_D_STROKE,
    NameHabit.UNICODE_FORM: citizen_service_pb2.NORMALIZATION_UNICODE_FORM,
    NameHabit.SPACES: citizen_service_pb2.NORMALIZATION_SPACES,
    NameHabit.WORD_ORDER: citizen_service_pb2.NORMALIZATION_WORD_ORDER,
    NameHabit.TONE_PLACEMENT: citizen_service_pb2.NORMALIZATION_TONE_PLACEMENT,
}


@dataclass(frozen=True, slots=True)
class ClaimVerdict:
    """What became of one claim."""

    claim: str
    """Name of the field of `Claims`."""
    verdict: citizen_service_pb2.Verdict.ValueType
    normalizations: tuple[citizen_service_pb2.Normalization.ValueType, ...] = ()
    """In the order of their numbers."""


def verdicts(claims: citizen_pb2.Claims, citizen: citizen_pb2.Citizen, *, today: date) -> tuple[ClaimVerdict, ...]:
    """The verdict on each claim that is present, in the order of the contract. `claims` were checked."""
    return tuple(_JUDGES[name](claims, citizen, today).of(name) for name in claims_in(claims))


def claims_in(claims: citizen_pb2.Claims) -> tuple[str, ...]:
    """Names of the claims that are present."""
    return tuple(field.name for field, _ in claims.ListFields() if field.name not in QUALIFIERS)


def compared_fields(claims: citizen_pb2.Claims) -> tuple[str, ...]:
    """Paths of `Citizen` that an account must be granted to have the claims compared."""
    return tuple(COMPARED_FIELDS[name] for name in claims_in(claims) if name not in IDENTITY_CLAIMS)


def first_mismatch(claims: citizen_pb2.Claims, citizen: citizen_pb2.Citizen, *, today: date) -> str | None:
    """Name of the first claim that does not identify the citizen; None when all do.

    Stricter than a verification (docs/decisions/0050): a name must have all its diacritics and its order, and what the
    record does not hold identifies nobody.
    """
    for name in claims_in(claims):
        identifies = _IDENTIFIES.get(name)
        if identifies is not None:
            if not identifies(claims, citizen):
                return name
        elif _JUDGES[name](claims, citizen, today).verdict not in {_MATCH, _NORMALIZED}:
            return name
    return None


def same_birth_date(claimed: common_pb2.BirthDate, held: common_pb2.BirthDate) -> bool:
    """Equal in every part that both state; the year always."""
    parts: tuple[Literal["month", "day"], ...] = ("month", "day")
    return claimed.year == held.year and all(
        getattr(claimed, part) == getattr(held, part)
        for part in parts
        if claimed.HasField(part) and held.HasField(part)
    )


@dataclass(frozen=True, slots=True)
class _Judgement:
    verdict: citizen_service_pb2.Verdict.ValueType
    normalizations: tuple[citizen_service_pb2.Normalization.ValueType, ...] = ()

    def of(self, claim: str) -> ClaimVerdict:
        return ClaimVerdict(claim, self.verdict, self.normalizations)


def _exactly(claimed: object, held: object) -> _Judgement:
    """`held` is empty or zero where the record does not say."""
    if not held:
        return _Judgement(_NOT_HELD)
    return _Judgement(_MATCH if claimed == held else _MISMATCH)


def _name(claimed: str, held: str) -> _Judgement:
    if not held.strip():
        return _Judgement(_NOT_HELD)
    habits = habits_between(claimed, held)
    if habits is None:
        return _Judgement(_MISMATCH)
    return _normalized([_HABITS[habit] for habit in habits])


def _birth_date(claims: citizen_pb2.Claims, citizen: citizen_pb2.Citizen, _today: date) -> _Judgement:
    claimed, held = claims.birth_date, citizen.birth_date
    if not held.year:
        return _Judgement(_NOT_HELD)
    if claimed == held:
        return _Judgement(_MATCH)
    if not same_birth_date(claimed, held):
        return _Judgement(_MISMATCH)
    return _normalized([citizen_service_pb2.NORMALIZATION_YEAR_ONLY_BIRTH])


def _residence(claims: citizen_pb2.Claims, citizen: citizen_pb2.Citizen, today: date) -> _Judgement:
    held = citizen.permanent_residence.province_code
    if not held:
        return _Judgement(_NOT_HELD)
    written = date.fromisoformat(claims.residence_as_of) if claims.HasField("residence_as_of") else None
    claimed = read_code(claims.residence_province_code, written=written, today=today)
    if claimed is None or not is_within(claimed, held):
        return _Judgement(_MISMATCH)
    if claimed.valid_to is None:
        return _Judgement(_MATCH)
    # A code of the 63 agrees with the province it became part of, even where the two have the same digits.
    return _normalized([citizen_service_pb2.NORMALIZATION_PROVINCE_CODE])


def _alive(claims: citizen_pb2.Claims, citizen: citizen_pb2.Citizen, _today: date) -> _Judgement:
    claimed = citizen_pb2.LIFE_STATUS_ALIVE if claims.alive else citizen_pb2.LIFE_STATUS_DECEASED
    return _exactly(claimed, citizen.life_status)


def _normalized(needed: Sequence[citizen_service_pb2.Normalization.ValueType]) -> _Judgement:
    return _Judgement(_NORMALIZED, tuple(sorted(needed))) if needed else _Judgement(_MATCH)


_JUDGES: Final[dict[str, Callable[[citizen_pb2.Claims, citizen_pb2.Citizen, date], _Judgement]]] = {
    "full_name": lambda claims, citizen, _: _name(claims.full_name, citizen.full_name),
    "birth_date": _birth_date,
    "sex": lambda claims, citizen, _: _exactly(claims.sex, citizen.sex),
    "legacy_number": lambda claims, citizen, _: _exactly(claims.legacy_number, citizen.legacy_number),
    "residence_province_code": _residence,
    "household_head_name": lambda claims, citizen, _: _name(
        claims.household_head_name, citizen.household.head.full_name
    ),
    "marital_status": lambda claims, citizen, _: _exactly(claims.marital_status, citizen.marital_status),
    "alive": _alive,
}
_IDENTIFIES: Final[dict[str, Callable[[citizen_pb2.Claims, citizen_pb2.Citizen], Any]]] = {
    "full_name": lambda claims, citizen: same_when_typed(claims.full_name, citizen.full_name),
    "household_head_name": lambda claims, citizen: same_when_typed(
        claims.household_head_name, citizen.household.head.full_name
    ),
}
