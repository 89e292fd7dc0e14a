"""Requests to the registries, checked as strictly as those to the population.

Owns what a well-formed question to a registry is. Refuses to know whom it asks about.
"""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from mock_national_db.requests import (
    MAX_BATCH,
    Fields,
    InvalidRequestError,
    Violation,
    envelope,
    integer,
    personal_number,
    read_object,
)

MAX_ROWS: Final = 10_000


class Query(NamedTuple):
    """Whom or what a registry is asked about: exactly one of the two."""

    personal_number: str | None
    enterprise_code: str | None


@dataclass(frozen=True, slots=True)
class RegistryRequest:
    """1 to 100 questions."""

    request_id: str
    queries: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class RowsRequest:
    """How many rows of the social insurance register, and which."""

    count: int
    seed: int


def lookup(body: bytes, *, by_code: bool) -> RegistryRequest:
    """Read a lookup; `by_code`: whether the registry knows enterprise codes.

    Raises InvalidRequestError.
    """
    violations: list[Violation] = []
    fields = Fields(read_object(body), violations)
    request_id = envelope(fields)
    query = _query(fields, by_code=by_code)
    _raise_if(violations)
    return RegistryRequest(request_id, (query,))


def batch(body: bytes, *, by_code: bool) -> RegistryRequest:
    """Read a batch.

    Raises InvalidRequestError.
    """
    violations: list[Violation] = []
    fields = Fields(read_object(body), violations)
    request_id = envelope(fields)
    items: list[Any] = fields.required("DanhSach", _list, [])
    fields.finish()
    queries = []
    for at, item in enumerate(items):
        if isinstance(item, dict):
            queries.append(_query(Fields(item, violations, f"DanhSach.{at}."), by_code=by_code))
        else:
            violations.append(Violation(f"DanhSach.{at}", "phải là một đối tượng"))
    _raise_if(violations)
    return RegistryRequest(request_id, tuple(queries))


def rows(body: bytes) -> RowsRequest:
    """Read a request for rows with their truth.

    Raises InvalidRequestError.
    """
    violations: list[Violation] = []
    fields = Fields(read_object(body), violations)
    request = RowsRequest(
        fields.required("count", integer(1, MAX_ROWS), 1), fields.optional("seed", integer(0, 1 << 31), 0)
    )
    fields.finish()
    _raise_if(violations)
    return request


def _query(fields: Fields, *, by_code: bool) -> Query:
    query = Query(
        fields.optional("SoDinhDanh", personal_number, None),
        fields.optional("MaSoDoanhNghiep", _enterprise_code, None) if by_code else None,
    )
    if fields.has("SoDinhDanh") == (by_code and fields.has("MaSoDoanhNghiep")):
        fields.blame("SoDinhDanh", "phải có đúng một số để tra cứu")
    fields.finish()
    return query


def _enterprise_code(value: Any) -> str:
    if isinstance(value, str) and len(value) == 10 and value.isascii() and value.isdigit():
        return value
    raise ValueError("phải gồm đúng 10 chữ số")


def _list(value: Any) -> list[Any]:
    if isinstance(value, list) and 1 <= len(value) <= MAX_BATCH:
        return value
    raise ValueError(f"phải là danh sách 1 đến {MAX_BATCH} phần tử")


def _raise_if(violations: list[Violation]) -> None:
    if violations:
        raise InvalidRequestError(violations)
