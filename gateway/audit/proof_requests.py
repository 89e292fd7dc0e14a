"""`GetInclusionProof`, `GetCheckpoint` and `GetConsistencyProof`: that records stand where they were put.

Owns who may have which proof. A caller gets the proof of its own records only, and cannot tell another's record from
one that was never made. Checkpoints hold nothing of anybody, so any account may have them.

Proofs are made from the journals of the machine that is asked. A record of another machine of the installation is
RECEIPT_NOT_FOUND here; its origin begins with that machine's name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from dancu.audit.v1 import audit_service_pb2
from dancu.audit.v1.audit_record_pb2 import AuditRecord
from dancu.receipt.v1 import receipt_service_pb2
from gateway.audit.ledger import Ledger, LedgerUnavailableError
from gateway.audit.merkle import leaf_hash
from gateway.audit.proof_source import CheckpointPendingError, ProofNotFoundError, ProofSource
from gateway.audit.receipt import MalformedReceiptError, Receipt
from gateway.audit.request_checks import check_origin
from gateway.calls.inquiry import Answer, Disclosure, Inquiry, Question
from gateway.calls.validation import decode
from gateway.errors import InvalidRequestError, NotFoundError, Reason, UnavailableError, Violation

_RETRY_AFTER_SECONDS = 1.0
_LOOKS = 6
_LOOK_SECONDS = 0.2

T = TypeVar("T")


class ProofRequests:
    """Parses and answers the three methods."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        proofs: ProofSource,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`sleep` waits for the ledger to take in a record that was made a moment ago."""
        self._ledger = ledger
        self._proofs = proofs
        self._sleep = sleep

    def parse_inclusion(self, request: bytes) -> Question:
        """The question behind the bytes of `GetInclusionProof`. Raises `InvalidRequestError`."""
        message = decode(request, receipt_service_pb2.GetInclusionProofRequest)
        try:
            Receipt.parse(message.receipt)
        except MalformedReceiptError as error:
            raise InvalidRequestError(
                [Violation("receipt", "is not of the form origin:index:leaf", "không có dạng origin:index:leaf")]
            ) from error
        return Question(message, (), (), None, "")

    async def inclusion(self, question: Question, inquiry: Inquiry) -> Answer:
        """The proof of one record. Raises `NotFoundError` and `UnavailableError`."""
        message = question.message
        assert isinstance(message, receipt_service_pb2.GetInclusionProofRequest)
        assert inquiry.account is not None
        receipt = Receipt.parse(message.receipt)
        account = inquiry.account.name
        try:
            proof = await self._proofs.inclusion(receipt.origin, receipt.index)
        except ProofNotFoundError as error:
            raise NotFoundError(Reason.RECEIPT_NOT_FOUND) from error
        except CheckpointPendingError as error:
            if await self._is_anothers(receipt, account):
                raise NotFoundError(Reason.RECEIPT_NOT_FOUND) from error
            raise _pending() from error
        if not _is_of(proof.record, receipt, account):
            raise NotFoundError(Reason.RECEIPT_NOT_FOUND)
        response = receipt_service_pb2.GetInclusionProofResponse(
            record=proof.record,
            leaf_index=proof.index,
            tree_size=proof.size,
            path=proof.path,
            checkpoint=proof.checkpoint,
        )
        return Answer(response, (Disclosure(None),))

    @staticmethod
    def parse_checkpoint(request: bytes) -> Question:
        """The question behind the bytes of `GetCheckpoint`. Raises `InvalidRequestError`."""
        message = decode(request, receipt_service_pb2.GetCheckpointRequest)
        if violations := check_origin(message.origin):
            raise InvalidRequestError(violations)
        return Question(message, (), (), None, "")

    async def checkpoint(self, question: Question, _inquiry: Inquiry) -> Answer:
        """The latest checkpoint. Raises `NotFoundError` and `UnavailableError`."""
        message = question.message
        assert isinstance(message, receipt_service_pb2.GetCheckpointRequest)
        signed = await _or_refuse(self._proofs.checkpoint(message.origin))
        response = receipt_service_pb2.GetCheckpointResponse(checkpoint=signed.note, verifier_keys=signed.verifier_keys)
        return Answer(response, (Disclosure(None),))

    @staticmethod
    def parse_consistency(request: bytes) -> Question:
        """The question behind the bytes of `GetConsistencyProof`. Raises `InvalidRequestError`."""
        message = decode(request, audit_service_pb2.GetConsistencyProofRequest)
        violations = check_origin(message.origin)
        if message.first_size < 1:
            violations.append(Violation("first_size", "must be at least 1", "phải ít nhất là 1"))
        if message.second_size and message.second_size < message.first_size:
            violations.append(
                Violation("second_size", "must be first_size or more", "phải bằng hoặc lớn hơn first_size")
            )
        if violations:
            raise InvalidRequestError(violations)
        return Question(message, (), (), None, "")

    async def consistency(self, question: Question, _inquiry: Inquiry) -> Answer:
        """The proof that one tree continues another. Raises `NotFoundError` and `UnavailableError`."""
        message = question.message
        assert isinstance(message, audit_service_pb2.GetConsistencyProofRequest)
        signed = await _or_refuse(self._proofs.checkpoint(message.origin))
        second = message.second_size or signed.size
        if not message.first_size <= second <= signed.size:
            raise _pending()
        path = await _or_refuse(self._proofs.consistency(message.origin, message.first_size, second))
        response = audit_service_pb2.GetConsistencyProofResponse(path=path, second_size=second, checkpoint=signed.note)
        return Answer(response, (Disclosure(None),))

    async def _is_anothers(self, receipt: Receipt, account: str) -> bool:
        """Whether a record that no checkpoint covers yet is not this account's; False while nobody can say.

        The ledger has it within a moment. Where it does not, everybody is told to come back, whosever record it is.
        """
        for look in range(_LOOKS):
            if look:
                await self._sleep(_LOOK_SECONDS)
            try:
                found = await self._ledger.record(receipt.origin, receipt.index)
            except LedgerUnavailableError:
                return False
            if found is not None:
                return not _is_of(found.data, receipt, account)
        return False


def _is_of(stored: bytes, receipt: Receipt, account: str) -> bool:
    return leaf_hash(stored) == receipt.leaf_hash and AuditRecord.FromString(stored).account == account


def _pending() -> UnavailableError:
    return UnavailableError(Reason.CHECKPOINT_PENDING, retry_after_seconds=_RETRY_AFTER_SECONDS)


async def _or_refuse(proof: Awaitable[T]) -> T:
    try:
        return await proof
    except ProofNotFoundError as error:
        raise NotFoundError(Reason.RECEIPT_NOT_FOUND) from error
    except CheckpointPendingError as error:
        raise _pending() from error
