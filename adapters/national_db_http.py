"""The national population database over HTTP: questions in batches, and the checks on every answer.

Owns the shape of question and answer, and that each answer is about the one asked for. When a question is sent, with
which others and whether again is `gateway.upstream`'s matter; connections are `http_exchange`'s. One adapter like this
per upstream protocol is the extension point.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

from adapters.http_batch import MAX_BATCH, post_batch, unusable_item
from adapters.http_exchange import HttpExchange
from adapters.national_db_households import HttpHouseholds
from adapters.national_db_wire import WireError, citizen_from_wire, version_of
from gateway.model import CitizenNumber, CitizenRecord, NumberKind, Secret
from gateway.ports import AmbiguousNumberError, Clock
from gateway.upstream.lanes import Lane, Upstream
from gateway.upstream.patience import Patience
from gateway.upstream.policy import UpstreamPolicy
from gateway.upstream.ports import UpstreamObserver

NAME = "national_db"
"""In metrics and log lines."""
_BATCH = "/v1/citizens/batch"
_WIRE_NAMES = {NumberKind.PERSONAL: "SoDinhDanh", NumberKind.LEGACY: "SoCMND"}


class HttpNationalDatabase:
    """`gateway.ports.NationalDatabase` over the exchange as practised."""

    def __init__(self, *, http: HttpExchange, upstream: Upstream, clock: Clock) -> None:
        """`upstream` decides when to ask; see `open`."""
        self._http = http
        self._upstream = upstream
        self._clock = clock
        self._citizens: Lane[CitizenNumber, CitizenRecord] = upstream.lane(self._ask, max_questions=MAX_BATCH)

    @classmethod
    def open(
        cls,
        *,
        base_url: str,
        token: Secret,
        policy: UpstreamPolicy,
        clock: Clock,
        draw: Callable[[], float],
        observer: UpstreamObserver,
    ) -> Self:
        """Connect lazily. `token` authenticates the gateway; `draw` gives random numbers from 0 to 1."""
        return cls(
            http=HttpExchange.open(base_url=base_url, token=token, max_connections=policy.max_connections),
            upstream=Upstream(name=NAME, policy=policy, clock=clock, draw=draw, observer=observer),
            clock=clock,
        )

    async def close(self) -> None:
        """Refuse what waits and close the connections."""
        await self._upstream.close()
        await self._http.close()

    def households(self) -> HttpHouseholds:
        """The households of the same database, asked for under the same breaker and limits."""
        return HttpHouseholds(http=self._http, upstream=self._upstream, clock=self._clock)

    async def find(self, number: CitizenNumber, patience: Patience) -> CitizenRecord:
        """The record behind a number, as of now."""
        return await self._citizens.ask(number, patience)

    async def _ask(
        self, numbers: Sequence[CitizenNumber], *, timeout_seconds: float
    ) -> Sequence[CitizenRecord | Exception]:
        # The moment of asking, not of the answer: the records can be no older than that.
        as_of = self._clock.now()
        questions = [{_WIRE_NAMES[number.kind]: number.digits} for number in numbers]
        items = await post_batch(self._http, _BATCH, questions, timeout_seconds=timeout_seconds)
        fetched_at = self._clock.now()
        return [_read(item, number, as_of, fetched_at) for item, number in zip(items, numbers, strict=True)]


def _read(item: Any, number: CitizenNumber, as_of: float, fetched_at: float) -> CitizenRecord | Exception:
    """One item, or what is wrong with it: that harms nobody but who asked for it."""
    result = item.get("KetQua") if isinstance(item, dict) else None
    if result == "KHONG_TIM_THAY":
        return CitizenRecord(number, None, 0, as_of, fetched_at)
    if result == "NHIEU_NGUOI":
        return AmbiguousNumberError()
    if result != "TIM_THAY":
        return unusable_item("KetQua is not a known code")
    try:
        wire = item.get("CongDan")
        citizen = citizen_from_wire(wire)
        version = version_of(wire)
    except WireError as error:
        return unusable_item(str(error))
    answered = citizen.personal_number if number.kind is NumberKind.PERSONAL else citizen.legacy_number
    if answered != number.digits:
        return unusable_item("about another citizen")
    return CitizenRecord(number, citizen, version, as_of, fetched_at)
