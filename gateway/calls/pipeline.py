"""The way of a call, from a transport's bytes to the answer's bytes.

    1 identify      request id, trace, arrival
    2 authenticate  key, certificate or token → account  unknown → UNAUTHENTICATED, counted, not recorded
    3 parse         bytes → question                     all violations at once
    4 authorise     network, method, purpose, fields     before anything is fetched
    5 admit         overload, in flight, misses, rate, quota
    6 handle        copy → question under way → national database → narrow
    7 record        durable before the answer            refusals too
    8 answer        trailing metadata

Authentication comes before parsing, so that a stranger costs a hash and learns nothing of the contract; parsing before
authorisation, because rights are about what is asked; admission after authorisation, so that what is forbidden takes
nothing from a limit. It knows no transport: grpc.aio is one of several that can drive it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from dancu.common.v1 import common_pb2
from gateway.audit.receipt import Receipt
from gateway.calls.admit import Gate
from gateway.calls.answer import trailing
from gateway.calls.authenticate import Authenticator, require_active
from gateway.calls.authorise import authorise
from gateway.calls.call_log import CallLog
from gateway.calls.identify import identify
from gateway.calls.inquiry import Inquiry, Method
from gateway.calls.record import Recorder
from gateway.errors import (
    CallerGoneError,
    DeadlineError,
    GatewayError,
    InternalError,
    NotFoundError,
    Reason,
    UnimplementedError,
)
from gateway.model import Call, Reply
from gateway.ports import CallObserver, Clock


class Pipeline:
    """Answers calls. One instance serves all calls of a worker."""

    def __init__(
        self,
        *,
        methods: Mapping[str, Method],
        authenticate: Authenticator,
        gate: Gate,
        recorder: Recorder,
        observer: CallObserver,
        log: CallLog,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        """`methods` by full name; `new_id` makes request ids."""
        self._methods = methods
        self._authenticate = authenticate
        self._gate = gate
        self._recorder = recorder
        self._observer = observer
        self._log = log
        self._clock = clock
        self._new_id = new_id

    async def __call__(self, call: Call) -> Reply:
        """Answer a call, or raise the `GatewayError` that refuses it, its `trailing` set."""
        method = self._methods.get(call.method)
        if method is None:
            raise UnimplementedError(Reason.METHOD_UNKNOWN)
        inquiry = identify(call, method, clock=self._clock, new_id=self._new_id)
        self._observer.call_started()
        try:
            reply = await self._decide(inquiry)
        except GatewayError as refusal:
            refused = await self._refuse(inquiry, refusal)
            self._finish(inquiry, refused)
            if refused is refusal:
                raise
            raise refused from refusal
        except asyncio.CancelledError:
            self._finish(inquiry, self._gone(inquiry))
            raise
        except Exception as defect:
            self._log.failed(inquiry, defect)
            refused = await self._refuse(inquiry, InternalError(Reason.INTERNAL))
            self._finish(inquiry, refused)
            raise refused from defect
        self._finish(inquiry, None)
        return reply

    async def _decide(self, inquiry: Inquiry) -> Reply:
        call, method = inquiry.call, inquiry.method
        caller = await self._authenticate(call, now=inquiry.arrived, monotonic=inquiry.started)
        account = inquiry.account = caller.account
        inquiry.credential_id = caller.credential_id + caller.detail
        require_active(account, now=inquiry.arrived)
        question = inquiry.question = method.parse(call.request)
        inquiry.request_id = question.request_id or inquiry.request_id
        authorise(account, method, question, peer=call.peer, now=inquiry.arrived, token_scopes=caller.token_scopes)
        cost = method.cost(question)
        with self._gate.enter(inquiry, cost):
            await self._gate.take(inquiry, cost)
            try:
                answer = await method.handle(question, inquiry)
            except NotFoundError as missed:
                await self._gate.settle(inquiry.limit_nodes, [missed.reason])
                raise
            await self._gate.settle(inquiry.limit_nodes, (told.miss for told in answer.disclosures))
            if answer.further:
                await self._gate.take(inquiry, answer.further)
            receipts = await self._recorder.answered(inquiry, answer)
            if answer.attach is not None:
                answer.attach(receipts)
        return Reply(answer.response.SerializeToString(), trailing(inquiry, receipts))

    async def _refuse(self, inquiry: Inquiry, refusal: GatewayError) -> GatewayError:
        """The refusal, recorded; or the one that stands in for it when it cannot be."""
        receipts: Sequence[Receipt] = ()
        if inquiry.account is not None and refusal.reason is not Reason.AUDIT_UNAVAILABLE:
            try:
                receipts = await self._recorder.refused(inquiry, refusal.reason)
            except GatewayError as unrecorded:
                refusal = unrecorded
        refusal.trailing = trailing(inquiry, receipts)
        self._log.refused(inquiry, refusal)
        return refusal

    def _gone(self, inquiry: Inquiry) -> GatewayError:
        deadline = inquiry.call.deadline
        late = deadline is not None and self._clock.monotonic() >= deadline
        gone = DeadlineError(Reason.DEADLINE_EXCEEDED) if late else CallerGoneError(Reason.CALLER_GONE)
        if inquiry.account is not None and not inquiry.recorded:
            self._recorder.gone(inquiry, gone.reason)
        return gone

    def _finish(self, inquiry: Inquiry, refusal: GatewayError | None) -> None:
        seconds = self._clock.monotonic() - inquiry.started
        self._observer.call_finished(
            method=inquiry.method.name,
            code="OK" if refusal is None else refusal.kind,
            source=_SOURCES[inquiry.source],
            organisation=inquiry.account.organisation if inquiry.account is not None else "",
            seconds=seconds,
            reason="" if refusal is None else refusal.reason.name,
        )
        if refusal is None:
            self._log.answered(inquiry, seconds=seconds)


_SOURCES = {
    common_pb2.Provenance.SOURCE_UNSPECIFIED: "none",
    common_pb2.Provenance.SOURCE_NATIONAL_DB: "national_db",
    common_pb2.Provenance.SOURCE_CACHE: "cache",
    common_pb2.Provenance.SOURCE_STALE_CACHE: "stale_cache",
}
