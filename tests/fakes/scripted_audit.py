"""The admin and receipt services as a test scripts them, over real sockets: for `dancu audit` and `dancu report`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from dancu.account.v1 import account_pb2, account_service_pb2
from dancu.audit.v1 import audit_service_pb2, audit_service_pb2_grpc
from dancu.audit.v1.audit_record_pb2 import AuditRecord
from dancu.common.v1.common_pb2 import Provenance
from dancu.receipt.v1 import receipt_service_pb2, receipt_service_pb2_grpc
from gateway.audit.merkle import leaf_hash
from gateway.audit.receipt import Receipt

LOOKUP = "dancu.citizen.v1.CitizenService/LookupCitizen"
FIRST_SECOND = 1_767_578_400  # 2026-01-05 09:00 in Vietnam


def record_at(index: int, **fields: Any) -> AuditRecord:
    """An answered lookup, one second after the one before."""
    record = AuditRecord(
        index=index,
        request_id=f"r-{index}",
        organisation="01",
        account="01/mot-cua",
        officer="cb-17",
        procedure="1.001193",
        dossier="H01/7",
        method=LOOKUP,
        subject_token=bytes(32),
        fields=["full_name", "sex"],
        source=Provenance.SOURCE_CACHE,
        latency_micros=900,
    )
    record.time.seconds = FIRST_SECOND + index
    for name, value in fields.items():
        setattr(record, name, value)
    return record


def listed(record: AuditRecord, origin: str = "test-w0") -> audit_service_pb2.ListedRecord:
    receipt = Receipt(origin, record.index, leaf_hash(record.SerializeToString()))
    return audit_service_pb2.ListedRecord(record=record, receipt=str(receipt))


class ScriptedAudit(audit_service_pb2_grpc.AuditServiceServicer, receipt_service_pb2_grpc.ReceiptServiceServicer):
    """Answers from what it was given; pages are no larger than `page_records`."""

    def __init__(self, *, records: Sequence[AuditRecord] = (), page_records: int = 1000) -> None:
        self.records = [listed(record) for record in reversed(records)]
        self.page_records = page_records
        self.fails_after: int | None = None
        """Pages answered before the service breaks off."""
        self.rows: list[audit_service_pb2.StatisticsRow] = []
        self.dossiers = 0
        self.lag_records = 0
        self.too_many_at_once = False
        """Whether counts by dimension are refused where no first moment is named."""
        self.organisations: list[account_pb2.Organisation] = []
        self.lists_organisations = True
        self.proof = receipt_service_pb2.GetInclusionProofResponse()
        self.verifier_keys: list[str] = []
        self.requests: list[Any] = []
        self.keys: list[str] = []

    def GetConsistencyProof(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self._seen(request, context)
        return audit_service_pb2.GetConsistencyProofResponse()

    def ListAuditRecords(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        page, token = self._page(request, context)
        return audit_service_pb2.ListAuditRecordsResponse(records=page, next_page_token=token)

    def ListDisclosures(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        page, token = self._page(request, context)
        return audit_service_pb2.ListDisclosuresResponse(disclosures=page, next_page_token=token)

    def GetStatistics(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self._seen(request, context)
        if request.dimensions and self.too_many_at_once and not request.HasField("from"):
            _refuse_too_many(context)
        if not request.dimensions and request.period:
            return audit_service_pb2.GetStatisticsResponse(rows=self.rows[:1])
        if not request.dimensions:
            row = audit_service_pb2.StatisticsRow(dossiers=self.dossiers)
            return audit_service_pb2.GetStatisticsResponse(rows=[row])
        return audit_service_pb2.GetStatisticsResponse(rows=self.rows, lag_records=self.lag_records)

    def list_organisations(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._seen(request, context)
        if not self.lists_organisations:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "not for this key")
        return account_service_pb2.ListOrganisationsResponse(organisations=self.organisations)

    def GetInclusionProof(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self._seen(request, context)
        return self.proof

    def GetCheckpoint(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self._seen(request, context)
        return receipt_service_pb2.GetCheckpointResponse(
            checkpoint=self.proof.checkpoint, verifier_keys=self.verifier_keys
        )

    def _page(self, request: Any, context: grpc.ServicerContext) -> tuple[list[Any], str]:
        if self.fails_after is not None and len(self.requests) >= self.fails_after:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "no longer")
        self._seen(request, context)
        start = int(request.page_token or 0)
        end = start + min(request.page_size or 100, self.page_records)
        return self.records[start:end], str(end) if end < len(self.records) else ""

    def _seen(self, request: Any, context: grpc.ServicerContext) -> None:
        self.requests.append(request)
        self.keys.append(str(dict(context.invocation_metadata()).get("authorization", "")))


def _refuse_too_many(context: grpc.ServicerContext) -> None:
    """As `GetStatistics` refuses counts of too many rows."""
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="period", description="gives more than 20000 rows")
    status = status_pb2.Status(code=grpc.StatusCode.INVALID_ARGUMENT.value[0])
    status.details.add().Pack(bad)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.INVALID_ARGUMENT, "too many rows")


@contextmanager
def serving(audit: ScriptedAudit) -> Iterator[str]:
    """Serve until the block ends; gives the target."""
    with ThreadPoolExecutor(max_workers=2) as threads:
        server = grpc.server(threads)
        audit_service_pb2_grpc.add_AuditServiceServicer_to_server(audit, server)
        receipt_service_pb2_grpc.add_ReceiptServiceServicer_to_server(audit, server)
        organisations = grpc.unary_unary_rpc_method_handler(
            audit.list_organisations,
            request_deserializer=account_service_pb2.ListOrganisationsRequest.FromString,
            response_serializer=account_service_pb2.ListOrganisationsResponse.SerializeToString,
        )
        accounts = grpc.method_handlers_generic_handler(
            "dancu.account.v1.AccountService", {"ListOrganisations": organisations}
        )
        server.add_generic_rpc_handlers((accounts,))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(grace=None).wait()
