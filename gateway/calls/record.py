"""Step 7: the record of a call, durable before one byte of the answer leaves.

Owns what a record says and which refusals are counted together. Every append is queued at once and never withdrawn,
so a caller who hangs up erases nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import TypeAlias, cast

from dancu.audit.v1.audit_record_pb2 import AuditRecord
from dancu.common.v1 import common_pb2
from dancu.errors.v1 import errors_pb2
from gateway.audit.fields import bytes_field, varint_field
from gateway.audit.receipt import Receipt
from gateway.audit.tokens import Tokens
from gateway.calls.inquiry import Answer, AuditClass, Disclosure, Inquiry
from gateway.errors import Reason, UnavailableError
from gateway.ports import Clock, Journal, JournalUnavailableError

COUNTED_TOGETHER = frozenset(
    {
        Reason.RATE_LIMITED,
        Reason.DAILY_QUOTA_EXHAUSTED,
        Reason.TOO_MANY_IN_FLIGHT,
        Reason.ENUMERATION_SUSPECTED,
        Reason.OVERLOADED,
    }
)
"""Refusals for a limit: one record per account, method, reason and second, so that hammering cannot fill the disk."""

_RETRY_AFTER_SECONDS = 1.0
_SUBJECT_TOKEN = AuditRecord.SUBJECT_TOKEN_FIELD_NUMBER
_DATA_AGE = AuditRecord.DATA_AGE_MILLIS_FIELD_NUMBER
_TallyKey: TypeAlias = tuple[str, str, Reason]


class Recorder:
    """Writes the records of calls."""

    def __init__(self, *, journal: Journal, tokens: Tokens, clock: Clock) -> None:
        """`tokens` name citizens in records."""
        self._journal = journal
        self._tokens = tokens
        self._clock = clock
        self._key_version = varint_field(AuditRecord.SUBJECT_KEY_VERSION_FIELD_NUMBER, tokens.version)
        self._tallies: dict[_TallyKey, AuditRecord] = {}
        self._flush: asyncio.TimerHandle | None = None

    async def answered(self, inquiry: Inquiry, answer: Answer) -> Sequence[Receipt]:
        """Record every disclosure; returns once they are on disk.

        Raises `UnavailableError` (AUDIT_UNAVAILABLE): the caller MUST NOT answer.
        """
        return await self._durably(inquiry, self._payloads(inquiry, answer.disclosures))

    async def refused(self, inquiry: Inquiry, reason: Reason) -> Sequence[Receipt]:
        """Record a refusal of a known account; limit refusals are counted and return no receipt.

        Raises `UnavailableError` (AUDIT_UNAVAILABLE).
        """
        # Too late before it was admitted: a flood of such calls must not cost a sync each.
        if reason in COUNTED_TOGETHER or (reason is Reason.DEADLINE_EXCEEDED and not inquiry.limit_nodes):
            inquiry.recorded = True
            self._count(inquiry, reason)
            return ()
        return await self._durably(inquiry, self._refusals(inquiry, reason))

    async def intended(self, inquiry: Inquiry, targets: Sequence[str]) -> None:
        """Record what is about to be changed; the changes MUST NOT take effect before this returns.

        Raises `UnavailableError` (AUDIT_UNAVAILABLE). What became of it is recorded as of any call.
        """
        marks = AuditRecord(intent=True, continuation=True).SerializeToString()
        records = self._payloads(inquiry, [Disclosure(None, target=target) for target in targets])
        await self._written([record + marks for record in records])

    def gone(self, inquiry: Inquiry, reason: Reason) -> None:
        """Record that the caller left before the answer. Nobody waits for it."""
        self._journal.append(self._refusals(inquiry, reason)).add_done_callback(_retrieve)

    def flush(self) -> None:
        """Write the refusals counted so far; called each second, and at shutdown before the journal closes."""
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        tallies, self._tallies = self._tallies, {}
        for key, tally in tallies.items():
            written = self._journal.append([tally.SerializeToString()])
            written.add_done_callback(partial(self._keep, key, tally))

    async def _durably(self, inquiry: Inquiry, payloads: list[bytes]) -> Sequence[Receipt]:
        inquiry.recorded = True
        return await self._written(payloads)

    async def _written(self, payloads: list[bytes]) -> Sequence[Receipt]:
        try:
            return await self._journal.append(payloads)
        except JournalUnavailableError as error:
            raise UnavailableError(
                Reason.AUDIT_UNAVAILABLE, retry_after_seconds=_RETRY_AFTER_SECONDS, cause=str(error)
            ) from error

    def _refusals(self, inquiry: Inquiry, reason: Reason) -> list[bytes]:
        subjects = inquiry.question.subjects if inquiry.question is not None else ()
        if inquiry.method.audit is AuditClass.PER_CALL or not subjects:
            return self._payloads(inquiry, [Disclosure(None, outcome=reason)])
        if len(subjects) > 1 and not inquiry.limit_nodes:
            # No limit holds yet for whoever may not ask, so a bulk call writes no more than a single one would.
            return self._payloads(inquiry, [Disclosure(None, outcome=reason, items=len(subjects))])
        return self._payloads(
            inquiry, [Disclosure(subject, outcome=reason, source=inquiry.source) for subject in subjects]
        )

    def _payloads(self, inquiry: Inquiry, disclosures: Sequence[Disclosure]) -> list[bytes]:
        # What a call's records have in common is serialised once: protobuf merges what stands one after the other.
        common, now = self._common(inquiry), self._clock.now()
        return [
            common + self._particular(disclosure, now=now, continuation=position > 0)
            for position, disclosure in enumerate(disclosures)
        ]

    def _common(self, inquiry: Inquiry) -> bytes:
        account = inquiry.account
        assert account is not None  # the pipeline records known accounts only
        record = AuditRecord(
            request_id=inquiry.request_id,
            organisation=account.organisation,
            account=account.name,
            credential_id=inquiry.credential_id,
            method=inquiry.method.name,
            latency_micros=int((self._clock.monotonic() - inquiry.started) * 1e6),
            peer=inquiry.call.peer,
            policy_version=account.policy.version,
            trace_id=inquiry.trace_id,
        )
        seconds = int(inquiry.arrived)
        record.time.seconds = seconds
        record.time.nanos = int((inquiry.arrived - seconds) * 1e9)
        if inquiry.question is not None and inquiry.question.purpose is not None:
            _set_purpose(record, inquiry.question.purpose)
        return record.SerializeToString()

    def _particular(self, disclosure: Disclosure, *, now: float, continuation: bool) -> bytes:
        record = _frequent(disclosure.fields, disclosure.outcome, disclosure.source, continuation=continuation)
        if disclosure.target or disclosure.mismatched or disclosure.items:
            record += AuditRecord(
                target=disclosure.target, mismatched=disclosure.mismatched, items=disclosure.items
            ).SerializeToString()
        if disclosure.subject is not None:
            record += bytes_field(_SUBJECT_TOKEN, self._tokens.of(disclosure.subject)) + self._key_version
        if disclosure.data_as_of is not None:
            record += varint_field(_DATA_AGE, max(0, int((now - disclosure.data_as_of) * 1e3)))
        return record

    def _count(self, inquiry: Inquiry, reason: Reason) -> None:
        assert inquiry.account is not None
        key = (inquiry.account.name, inquiry.method.name, reason)
        tally = self._tallies.get(key)
        if tally is None:
            (opened,) = self._payloads(inquiry, [Disclosure(None, outcome=reason)])
            self._tallies[key] = tally = AuditRecord.FromString(opened)
        tally.count += 1
        if self._flush is None:
            self._flush = asyncio.get_running_loop().call_later(1 - self._clock.now() % 1, self.flush)

    def _keep(self, key: _TallyKey, tally: AuditRecord, written: asyncio.Future[Sequence[Receipt]]) -> None:
        # A disk that is full for a while loses no count: it joins the next second's.
        if written.cancelled() or written.exception() is None:
            return
        later = self._tallies.setdefault(key, tally)
        if later is not tally:
            later.count += tally.count
        if self._flush is None:
            self._flush = written.get_loop().call_later(1, self.flush)


@lru_cache(maxsize=4096)
def _frequent(
    fields: tuple[str, ...],
    outcome: Reason | None,
    source: common_pb2.Provenance.Source.ValueType,
    *,
    continuation: bool,
) -> bytes:
    """The part of a record that is the same for most citizens of a list, and of most lists."""
    return AuditRecord(
        fields=fields,
        outcome=_outcome(outcome),
        source=source,
        continuation=continuation,
    ).SerializeToString()


def _set_purpose(record: AuditRecord, purpose: common_pb2.Purpose) -> None:
    record.procedure = purpose.procedure_code
    record.dossier = purpose.dossier_code
    record.officer = purpose.officer_id
    record.legal_basis = purpose.legal_basis


def _outcome(reason: Reason | None) -> errors_pb2.ErrorReason.ValueType:
    return cast("errors_pb2.ErrorReason.ValueType", int(reason or 0))


def _retrieve(written: asyncio.Future[Sequence[Receipt]]) -> None:
    # Whether it reached the disk is the journal's own business to report; nobody waits for this one.
    if not written.cancelled():
        written.exception()
