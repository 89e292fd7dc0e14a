"""Faults that can be switched on at run time, and the draw that decides which one a request meets.

Owns their settings and chances. Refuses to know how a fault is carried out on a connection (`server`).
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any, Final, NamedTuple

from mock_national_db.registries.registers import NAMES
from mock_national_db.requests import Fields, InvalidRequestError, Violation, boolean, integer, read_object

ENDPOINTS: Final = (
    "citizens.lookup",
    "citizens.batch",
    "households.lookup",
    "changes.submit",
    "changes.read",
    *(f"registries.{name}" for name in NAMES),
)
"""The endpoints that can fail."""
_MAX_SECONDS: Final = 600.0
_MAX_OVERSIZE: Final = 1 << 30


class Fault(StrEnum):
    """What happens to a request instead of, or besides, its answer."""

    OUTAGE = "outage"
    ERROR = "error"
    HANG = "hang"
    RESET = "reset"
    TRUNCATE = "truncate"
    DRIP = "drip"
    OVERSIZE = "oversize"
    INVALID_JSON = "invalid_json"
    WRONG_CITIZEN = "wrong_citizen"


_RATED: Final = tuple(fault for fault in Fault if fault is not Fault.OUTAGE)


@dataclass(frozen=True, slots=True)
class Latency:
    """How long every answer is held back, in seconds."""

    kind: str
    """`fixed` (a), `uniform` (from a to b) or `lognormal` (median a, sigma b, at most `most`)."""
    a: float
    b: float = 0.0
    most: float = _MAX_SECONDS

    def draw(self, random: Random) -> float:
        """Return one delay."""
        if self.kind == "uniform":
            return random.uniform(self.a, self.b)
        if self.kind == "lognormal":
            return min(self.most, self.a * math.exp(random.gauss(0.0, self.b)))
        return self.a


@dataclass(frozen=True, slots=True)
class FaultSettings:
    """Which faults are on; nothing by default."""

    endpoints: tuple[str, ...] = ENDPOINTS
    latency: Latency | None = None
    rates: tuple[float, ...] = (0.0,) * len(_RATED)
    """Chance of each rated fault, in the order of `Fault` without the outage."""
    error_status: int = 500
    drip_bytes_per_second: int = 50
    oversize_bytes: int = 16 * 1024 * 1024
    outage: bool = False
    seed: int | None = None


_NONE: Final = FaultSettings()


class Verdict(NamedTuple):
    """What one request meets."""

    delay_seconds: float
    fault: Fault | None


class Faults:
    """The faults in force."""

    def __init__(self) -> None:
        self._text: dict[str, Any] = {}
        self._random = Random()  # noqa: S311  chances of faults, not secrets
        self.settings = _NONE
        self.changed = asyncio.Event()
        """Set, and replaced by a fresh one, whenever the faults change: whatever hangs waits for it."""

    def describe(self) -> dict[str, Any]:
        """Return the settings as they were sent."""
        return self._text

    def replace(self, body: bytes) -> None:
        """Put the faults in `body` in place of those in force.

        Raises InvalidRequestError and changes nothing.
        """
        text = read_object(body)
        self.settings = parse(text)
        self._text = text
        self._random = Random(self.settings.seed)  # noqa: S311
        self.release()

    def release(self) -> None:
        """Let go of everything that hangs."""
        self.changed.set()
        self.changed = asyncio.Event()

    def draw(self, endpoint: str) -> Verdict | None:
        """Return what a request to `endpoint` meets; None, at no cost, where nothing is switched on."""
        settings = self.settings
        if settings is _NONE or endpoint not in settings.endpoints:
            return None
        if settings.outage:
            return Verdict(0.0, Fault.OUTAGE)
        delay = settings.latency.draw(self._random) if settings.latency is not None else 0.0
        chance = self._random.random()
        for fault, rate in zip(_RATED, settings.rates, strict=True):
            if chance < rate:
                return Verdict(delay, fault)
            chance -= rate
        return Verdict(delay, None)


def parse(text: dict[str, Any]) -> FaultSettings:
    """Return the settings in a JSON object.

    Raises InvalidRequestError.
    """
    if not text:
        return _NONE
    violations: list[Violation] = []
    fields = Fields(text, violations)
    settings = FaultSettings(
        endpoints=tuple(fields.optional("endpoints", _endpoints, ENDPOINTS)),
        latency=_latency(fields),
        rates=tuple(fields.optional(f"{fault}_rate", _number(0.0, 1.0), 0.0) for fault in _RATED),
        error_status=fields.optional("error_status", integer(400, 599), 500),
        drip_bytes_per_second=fields.optional("drip_bytes_per_second", integer(1, 1 << 20), 50),
        oversize_bytes=fields.optional("oversize_bytes", integer(1, _MAX_OVERSIZE), 16 * 1024 * 1024),
        outage=fields.optional("outage", boolean, default=False),
        seed=fields.optional("seed", integer(0, 1 << 62), None),
    )
    if sum(settings.rates) > 1.0 + 1e-9:
        fields.blame("", "tổng các tỷ lệ không được quá 1")
    fields.finish()
    if violations:
        raise InvalidRequestError(violations)
    return settings


def _latency(fields: Fields) -> Latency | None:
    inner = fields.nested("latency")
    if inner is None:
        return None
    kind = inner.required("kind", _latency_kind, "fixed")
    seconds = _number(0.0, _MAX_SECONDS)
    if kind == "uniform":
        latency = Latency(
            kind, inner.required("low_seconds", seconds, 0.0), inner.required("high_seconds", seconds, 0.0)
        )
        if latency.b < latency.a:
            inner.blame("high_seconds", "không được nhỏ hơn low_seconds")
    elif kind == "lognormal":
        latency = Latency(
            kind,
            inner.required("median_seconds", seconds, 0.0),
            inner.required("sigma", _number(0.0, 10.0), 0.0),
            inner.optional("max_seconds", seconds, _MAX_SECONDS),
        )
    else:
        latency = Latency(kind, inner.required("seconds", seconds, 0.0))
    inner.finish()
    return latency


def _number(low: float, high: float) -> Callable[[Any], float]:
    def rule(value: Any) -> float:
        if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
            return float(value)
        raise ValueError(f"phải là số từ {low:g} đến {high:g}")

    return rule


def _latency_kind(value: Any) -> str:
    if isinstance(value, str) and value in {"fixed", "uniform", "lognormal"}:
        return value
    raise ValueError("phải là fixed, uniform hoặc lognormal")


def _endpoints(value: Any) -> Sequence[str]:
    if isinstance(value, list) and value and all(isinstance(one, str) and one in ENDPOINTS for one in value):
        return tuple(value)
    raise ValueError(f"phải là danh sách trong số {', '.join(ENDPOINTS)}")
