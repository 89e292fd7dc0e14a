"""Requests of the exchange, checked strictly: every violation at once, naming fields and never repeating values.

Owns what a well-formed request is. Refuses to know whom it asks about, HTTP and authentication.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, NamedTuple, TypeVar

import orjson

from mock_national_db.person import BirthDate

T = TypeVar("T")

MAX_BATCH: Final = 100
MAX_PAGE: Final = 1000
MAX_WAIT_MS: Final = 30_000
_DEFAULT_PAGE: Final = 100
_ENVELOPE: Final = frozenset({"MaDVC", "MaTichHop", "MaCanBo", "MaDonVi", "TaiKhoan", "SoDienThoai"})
_ID: Final = re.compile(r"[!-~]{1,128}\Z")
_CURSOR: Final = re.compile(r"(?:0|[0-9a-f]{16}\.[0-9]{1,18})\Z")
_TEXT_LIMIT: Final = 128


class Violation(NamedTuple):
    """One thing wrong with a request."""

    field: str
    """Dotted path, for example `DanhSach.3.SoCMND`; empty for the body as a whole."""
    reason: str
    """Vietnamese, for people."""


class InvalidRequestError(Exception):
    """The request is not well-formed; `violations` holds everything found wrong."""

    def __init__(self, violations: list[Violation]) -> None:
        super().__init__("invalid request")
        self.violations = violations


class Query(NamedTuple):
    """Whom a lookup asks about: exactly one number, and what the person must match besides."""

    personal_number: str | None
    legacy_number: str | None
    full_name: str | None
    birth_date: BirthDate | None


@dataclass(frozen=True, slots=True)
class LookupRequest:
    """One citizen."""

    request_id: str
    query: Query


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """1 to 100 citizens."""

    request_id: str
    queries: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class HouseholdRequest:
    """The household of a citizen."""

    request_id: str
    personal_number: str


@dataclass(frozen=True, slots=True)
class FeedRequest:
    """A page of the change feed."""

    request_id: str
    cursor: str | None
    limit: int
    wait_seconds: float


class Fields:
    """The fields of one JSON object, taken one by one; what nobody took is unknown."""

    def __init__(self, values: dict[str, Any], violations: list[Violation], path: str = "") -> None:
        """Collect into `violations`; `path` comes before the names of fields."""
        self._values = values
        self._left = set(values)
        self._violations = violations
        self._path = path

    def required(self, field: str, rule: Callable[[Any], T], default: T) -> T:
        """Return the field as `rule` reads it; `default` stands in where it is missing or wrong."""
        if field not in self._values:
            self.blame(field, "bắt buộc phải có")
            return default
        return self.optional(field, rule, default)

    def optional(self, field: str, rule: Callable[[Any], T], default: T) -> T:
        """Return the field as `rule` reads it, or `default`.

        A rule raises ValueError with the reason.
        """
        if field not in self._values:
            return default
        self._left.discard(field)
        try:
            return rule(self._values[field])
        except ValueError as wrong:
            self.blame(field, str(wrong))
            return default

    def nested(self, field: str) -> "Fields | None":
        """Return the object in `field`; None where it is missing. Blames what is not an object."""
        value = self.optional(field, json_object, None)
        return None if value is None else Fields(value, self._violations, f"{self._path}{field}.")

    def has(self, field: str) -> bool:
        """Tell whether the field was sent."""
        return field in self._values

    def blame(self, field: str, reason: str) -> None:
        """Note a violation of `field`."""
        self._violations.append(Violation(f"{self._path}{field}".rstrip("."), reason))

    def finish(self) -> None:
        """Blame every field that nobody took."""
        for field in sorted(self._left):
            # The name of an unknown field is the caller's text: it may be anything, a citizen number too.
            self.blame(field if field.isalpha() and field.isascii() and len(field) < 40 else "", "trường không hợp lệ")


def read_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in `body`.

    Raises InvalidRequestError.
    """
    try:
        return json_object(orjson.loads(body))
    except orjson.JSONDecodeError:
        raise InvalidRequestError([Violation("", "không phải JSON hợp lệ")]) from None
    except ValueError as wrong:
        raise InvalidRequestError([Violation("", str(wrong))]) from None


def envelope(fields: Fields) -> str:
    """Take the fields common to all requests; return the request id."""
    for field in _ENVELOPE:
        fields.optional(field, short_text, "")
    return fields.required("MaYeuCau", identifier, "")


def lookup(body: bytes) -> LookupRequest:
    """Read a lookup.

    Raises InvalidRequestError.
    """
    violations: list[Violation] = []
    fields = Fields(read_object(body), violations)
    request_id = envelope(fields)
    query = _query(fields)
    _raise_if(violations)
    return LookupRequest(request_id, query)


def batch(body: bytes) -> BatchRequest:
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
            queries.append(_query(Fields(item, violations, f"DanhSach.{at}.")))
        else:
            violations.append(Violation(f"DanhSach.{at}", "phải là một đối tượng"))
    _raise_if(violations)
    return BatchRequest(request_id, tuple(queries))


def household(body: bytes) -> HouseholdRequest:
    """Read a household lookup.

    Raises InvalidRequestError.
    """
    violations: list[Violation] = []
    fields = Fields(read_object(body), violations)
    request = HouseholdRequest(envelope(fields), fields.required("SoDinhDanh", personal_number, ""))
    fields.finish()
    _raise_if(violations)
    return request


def feed(body: bytes) -> FeedRequest:
    """Read a request for a page of changes.

    Raises InvalidRequestError.
    """
    violations: list[Violation] = []
    fields = Fields(read_object(body), violations)
    request = FeedRequest(
        envelope(fields),
        fields.optional("ConTro", _cursor, None),
        fields.optional("GioiHan", integer(1, MAX_PAGE), _DEFAULT_PAGE),
        fields.optional("ChoToiDaMs", integer(0, MAX_WAIT_MS), 0) / 1000,
    )
    fields.finish()
    _raise_if(violations)
    return request


def personal_number(value: Any) -> str:
    """Rule: 12 digits."""
    if isinstance(value, str) and len(value) == 12 and value.isascii() and value.isdigit():
        return value
    raise ValueError("phải gồm đúng 12 chữ số")


def legacy_number(value: Any) -> str:
    """Rule: 9 digits."""
    if isinstance(value, str) and len(value) == 9 and value.isascii() and value.isdigit():
        return value
    raise ValueError("phải gồm đúng 9 chữ số")


def identifier(value: Any) -> str:
    """Rule: 1 to 128 printable ASCII characters without spaces."""
    if isinstance(value, str) and _ID.match(value):
        return value
    raise ValueError("phải gồm 1 đến 128 ký tự ASCII in được, không có dấu cách")


def short_text(value: Any) -> str:
    """Rule: 1 to 128 characters of text without control characters."""
    if isinstance(value, str) and 0 < len(value) <= _TEXT_LIMIT and value.isprintable() and value.strip():
        return value
    raise ValueError("phải là chuỗi 1 đến 128 ký tự")


def integer(low: int, high: int) -> Callable[[Any], int]:
    """Return the rule: an integer from low to high, both inclusive."""

    def rule(value: Any) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        raise ValueError(f"phải là số nguyên từ {low} đến {high}")

    return rule


def boolean(value: Any) -> bool:
    """Rule: true or false."""
    if isinstance(value, bool):
        return value
    raise ValueError("phải là true hoặc false")


def whole_day(value: Any) -> date:
    """Rule: a day, yyyyMMdd."""
    if isinstance(value, str) and len(value) == 8 and value.isascii() and value.isdigit():
        try:
            return date(int(value[:4]), int(value[4:6]), int(value[6:]))
        except ValueError:
            pass  # Falls through to the one message for all malformed days.
    raise ValueError("phải là ngày có thật, dạng yyyyMMdd")


def birth_date(value: Any) -> BirthDate:
    """Rule: `{NgayThangNam}`, `{NamThang}` or `{Nam}`."""
    if isinstance(value, dict) and len(value) == 1:
        ((kind, text),) = value.items()
        if kind == "NgayThangNam":
            day = whole_day(text)
            return BirthDate(day.year, day.month, day.day)
        if isinstance(text, str) and text.isascii() and text.isdigit():
            if kind == "Nam" and len(text) == 4:
                return BirthDate(int(text))
            if kind == "NamThang" and len(text) == 6 and 1 <= int(text[4:]) <= 12:
                return BirthDate(int(text[:4]), int(text[4:]))
    raise ValueError("phải là một trong NgayThangNam (yyyyMMdd), NamThang (yyyyMM), Nam (yyyy)")


def _query(fields: Fields) -> Query:
    query = Query(
        fields.optional("SoDinhDanh", personal_number, None),
        fields.optional("SoCMND", legacy_number, None),
        fields.optional("HoVaTen", short_text, None),
        fields.optional("NgayThangNamSinh", birth_date, None),
    )
    if fields.has("SoDinhDanh") == fields.has("SoCMND"):
        fields.blame("SoDinhDanh", "phải có đúng một trong SoDinhDanh và SoCMND")
    fields.finish()
    return query


def _raise_if(violations: list[Violation]) -> None:
    if violations:
        raise InvalidRequestError(violations)


def json_object(value: Any) -> dict[str, Any]:
    """Rule: an object."""
    if isinstance(value, dict):
        return value
    raise ValueError("phải là một đối tượng")


def _list(value: Any) -> list[Any]:
    if isinstance(value, list) and 1 <= len(value) <= MAX_BATCH:
        return value
    raise ValueError(f"phải là danh sách 1 đến {MAX_BATCH} phần tử")


def _cursor(value: Any) -> str:
    if isinstance(value, str) and _CURSOR.match(value):
        return value
    raise ValueError("không phải con trỏ")
