"""`ListAuditRecords` and `ListDisclosures`: records by what is asked of them, page by page.

Owns what a list shows and what it leaves out. Looking is itself on record: whoever lists a citizen's records leaves one
under that citizen's token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from dancu.audit.v1 import audit_service_pb2 as pb
from dancu.errors.v1 import errors_pb2
from gateway.audit.ledger import Ledger, LedgerRecord, LedgerUnavailableError, Position, RecordFilter
from gateway.audit.merkle import leaf_hash
from gateway.audit.page_tokens import PageTokenError, PageTokens
from gateway.audit.receipt import Receipt
from gateway.audit.request_checks import (
    DEFAULT_PAGE_RECORDS,
    Paging,
    check_names,
    check_page,
    check_span,
    first_moment,
    last_moment,
    nanoseconds,
)
from gateway.calls.inquiry import Answer, Disclosure, Inquiry, Question
from gateway.calls.validation import decode
from gateway.citizens.numbers import check_personal_number, personal
from gateway.errors import InvalidRequestError, Reason, UnavailableError, Violation
from gateway.model import CitizenNumber
from gateway.ports import Clock

SubjectTokens = Callable[[CitizenNumber], tuple[bytes, ...]]
"""A citizen's tokens under every version of the token key there ever was."""

_RETRY_AFTER_SECONDS = 1.0
# A response over 4 MiB is refused by gRPC's own default on the caller's side.
_PAGE_BYTES = 3 << 20


class RecordLists:
    """Parses and answers both lists."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        page_tokens: PageTokens,
        subject_tokens: SubjectTokens,
        scopes: Mapping[str, str],
        clock: Clock,
    ) -> None:
        """`scopes`: of all methods by full name, for those who name a method by its scope."""
        self._ledger = ledger
        self._page_tokens = page_tokens
        self._subject_tokens = subject_tokens
        self._methods = _by_scope(scopes)
        self._clock = clock

    def parse_records(self, request: bytes) -> Question:
        """The question behind the bytes of `ListAuditRecords`. Raises `InvalidRequestError` with every violation."""
        message = decode(request, pb.ListAuditRecordsRequest)
        violations = check_names(message)
        if message.method and "/" not in message.method and message.method not in self._methods:
            violations.append(Violation("method", "is no scope of this version", "không phải scope của phiên bản này"))
        if message.HasField("outcome") and message.outcome not in errors_pb2.ErrorReason.values():
            violations.append(Violation("outcome", "is no outcome of this version", "không phải kết quả đã biết"))
        return self._question(message, violations, required=False)

    async def records(self, question: Question, _inquiry: Inquiry) -> Answer:
        """One page of records. Raises `UnavailableError`."""
        message = question.message
        assert isinstance(message, pb.ListAuditRecordsRequest)
        method = message.method
        which = RecordFilter(
            account=message.account,
            organisation=message.organisation,
            methods=() if not method else (method,) if "/" in method else self._methods[method],
            subject_tokens=self._tokens_of(question),
            outcome=message.outcome if message.HasField("outcome") else None,
            procedure=message.procedure,
            request_id=message.request_id,
            from_ns=nanoseconds(first_moment(message)),
            to_ns=nanoseconds(last_moment(message)),
        )
        found, token = await self._page(which, message)
        response = pb.ListAuditRecordsResponse(records=found, next_page_token=token)
        return Answer(response, _on_record(question))

    def parse_disclosures(self, request: bytes) -> Question:
        """The question behind the bytes of `ListDisclosures`. Raises `InvalidRequestError` with every violation."""
        return self._question(decode(request, pb.ListDisclosuresRequest), [], required=True)

    async def disclosures(self, question: Question, _inquiry: Inquiry) -> Answer:
        """One page of disclosures. Raises `UnavailableError`."""
        message = question.message
        assert isinstance(message, pb.ListDisclosuresRequest)
        which = RecordFilter(
            subject_tokens=self._tokens_of(question),
            from_ns=nanoseconds(first_moment(message)),
            to_ns=nanoseconds(last_moment(message)),
            disclosing=True,
            public_at=self._clock.now(),
        )
        found, token = await self._page(which, message)
        response = pb.ListDisclosuresResponse(disclosures=found, next_page_token=token)
        return Answer(response, _on_record(question))

    def _question(self, message: Paging, violations: list[Violation], *, required: bool) -> Question:
        number = message.personal_number
        if number:
            violations += self._check_number(number)
        elif required:
            violations.append(Violation("personal_number", "is required", "là bắt buộc"))
        violations += [*check_span(message), *check_page(message)]
        try:
            self._position(message)
        except PageTokenError:
            violations.append(Violation("page_token", "does not belong to this question", "không thuộc về câu hỏi này"))
        if violations:
            raise InvalidRequestError(violations)
        return Question(message, (personal(number),) if number else (), (), None, "")

    def _check_number(self, number: str) -> list[Violation]:
        # Records outlive settings: whether test numbers may be looked up now does not matter to what was.
        this_year = datetime.fromtimestamp(self._clock.now(), UTC).year
        return check_personal_number(number, field="personal_number", allow_test=True, this_year=this_year)

    def _tokens_of(self, question: Question) -> tuple[bytes, ...]:
        return self._subject_tokens(question.subjects[0]) if question.subjects else ()

    def _position(self, message: Paging) -> Position | None:
        if not message.page_token:
            return None
        return self._page_tokens.read(message.page_token, question=_identity(message))

    async def _page(self, which: RecordFilter, message: Paging) -> tuple[list[pb.ListedRecord], str]:
        """The records of a page, and the token of the next one."""
        size = message.page_size or DEFAULT_PAGE_RECORDS
        try:
            found = await self._ledger.records(which, before=self._position(message), limit=size + 1)
        except LedgerUnavailableError as error:
            raise ledger_unavailable(error) from error
        shown = _as_many_as_fit(found[:size])
        if len(shown) == len(found):
            return shown, ""
        return shown, self._page_tokens.make(found[len(shown) - 1].position, question=_identity(message))


def ledger_unavailable(error: LedgerUnavailableError) -> UnavailableError:
    """The refusal for a ledger that does not answer."""
    return UnavailableError(Reason.OVERLOADED, retry_after_seconds=_RETRY_AFTER_SECONDS, cause=f"ledger: {error}")


def _by_scope(scopes: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    return {scope: tuple(name for name, own in scopes.items() if own == scope) for scope in set(scopes.values())}


def _identity(message: Paging) -> bytes:
    """What a page token belongs to: the method and all its filters."""
    bare = type(message).FromString(message.SerializeToString())
    bare.ClearField("page_size")
    bare.ClearField("page_token")
    return message.DESCRIPTOR.full_name.encode() + b"\x00" + bare.SerializeToString(deterministic=True)


def _as_many_as_fit(records: Sequence[LedgerRecord]) -> list[pb.ListedRecord]:
    shown: list[pb.ListedRecord] = []
    room = _PAGE_BYTES
    for record in records:
        listed = pb.ListedRecord(receipt=str(Receipt(record.origin, record.position.index, leaf_hash(record.data))))
        listed.record.ParseFromString(record.data)
        room -= len(record.data) + len(listed.receipt)
        if room < 0 and shown:
            break
        shown.append(listed)
    return shown


def _on_record(question: Question) -> tuple[Disclosure, ...]:
    # Nothing of the citizen is told, but that somebody looked into who was told is the citizen's to know.
    return (Disclosure(question.subjects[0] if question.subjects else None),)
