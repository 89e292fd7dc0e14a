"""A specialised registry over HTTP: questions in batches, and the checks on every answer (docs/mock-registries.md).

Owns the shape of question and answer, and that each answer is about who was asked for. One class serves every registry
that speaks this protocol; what a record says is read by `adapters.registries`. When a question is sent is
`gateway.upstream`'s matter: each registry is an upstream of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

from adapters.http_batch import MAX_BATCH, post_batch, unusable_item
from adapters.http_exchange import HttpExchange
from adapters.national_db_wire import WireError, version_of
from adapters.registries import RecordReader
from gateway.model import CitizenNumber, Secret
from gateway.ports import Clock
from gateway.registries.kinds import RegistryKind
from gateway.registries.model import RegistryRecord, RegistrySubject
from gateway.upstream.lanes import Lane, Upstream
from gateway.upstream.patience import Patience
from gateway.upstream.policy import UpstreamPolicy
from gateway.upstream.ports import UpstreamObserver

_BATCH = "/v1/registries/{}/batch"


class HttpRegistry:
    """`gateway.registries.ports.Registry` over the exchange of the registries."""

    def __init__(
        self, *, kind: RegistryKind, reader: RecordReader, http: HttpExchange, upstream: Upstream, clock: Clock
    ) -> None:
        """`upstream` decides when to ask, and is this registry's alone; see `open`."""
        self._kind = kind
        self._reader = reader
        self._http = http
        self._upstream = upstream
        self._clock = clock
        self._path = _BATCH.format(kind.name.replace("_", "-"))
        self._lane: Lane[RegistrySubject, RegistryRecord] = upstream.lane(self._ask, max_questions=MAX_BATCH)

    @classmethod
    def open(
        cls,
        *,
        kind: RegistryKind,
        reader: RecordReader,
        base_url: str,
        token: Secret,
        policy: UpstreamPolicy,
        clock: Clock,
        draw: Callable[[], float],
        observer: UpstreamObserver,
    ) -> Self:
        """Connect lazily. `token` authenticates the gateway; `draw` gives random numbers from 0 to 1."""
        return cls(
            kind=kind,
            reader=reader,
            http=HttpExchange.open(base_url=base_url, token=token, max_connections=policy.max_connections),
            upstream=Upstream(name=kind.name, policy=policy, clock=clock, draw=draw, observer=observer),
            clock=clock,
        )

    async def close(self) -> None:
        """Refuse what waits and close the connections."""
        await self._upstream.close()
        await self._http.close()

    async def find(self, subject: RegistrySubject, patience: Patience) -> RegistryRecord:
        """What the registry holds under a number, as of now."""
        return await self._lane.ask(subject, patience)

    async def _ask(
        self, subjects: Sequence[RegistrySubject], *, timeout_seconds: float
    ) -> Sequence[RegistryRecord | Exception]:
        # The moment of asking, not of the answer: the records can be no older than that.
        as_of = self._clock.now()
        questions = [{_key_of(subject): subject.digits} for subject in subjects]
        items = await post_batch(self._http, self._path, questions, timeout_seconds=timeout_seconds)
        fetched_at = self._clock.now()
        return [self._read(item, subject, as_of, fetched_at) for item, subject in zip(items, subjects, strict=True)]

    def _read(self, item: Any, subject: RegistrySubject, as_of: float, fetched_at: float) -> RegistryRecord | Exception:
        """One item, or what is wrong with it: that harms nobody but who asked for it."""
        result = item.get("KetQua") if isinstance(item, dict) else None
        if result == "KHONG_TIM_THAY":
            return RegistryRecord(self._kind.name, subject, None, 0, as_of, fetched_at)
        if result != "TIM_THAY":
            return unusable_item("KetQua is not a known code")
        wire = item.get("BanGhi")
        if not isinstance(wire, dict):
            return unusable_item("BanGhi is not an object")
        if wire.get(_key_of(subject)) != subject.digits:
            return unusable_item("about somebody else")
        try:
            record = self._reader(wire)
            version = version_of(wire)
        except WireError as error:
            return unusable_item(str(error))
        return RegistryRecord(self._kind.name, subject, record, version, as_of, fetched_at)


def _key_of(subject: RegistrySubject) -> str:
    return "SoDinhDanh" if isinstance(subject, CitizenNumber) else "MaSoDoanhNghiep"
