"""The client for asyncio programs. Owns how a call travels over grpc.aio, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self, Unpack, cast

import grpc
from google.protobuf.message import Message

from dancu.audit.v1.audit_service_pb2 import (
    GetConsistencyProofRequest,
    GetConsistencyProofResponse,
    GetStatisticsResponse,
    ListAuditRecordsResponse,
    ListDisclosuresResponse,
)
from dancu.citizen.v1.citizen_service_pb2 import (
    BulkLookupCitizensItem,
    BulkLookupCitizensResponse,
    LookupCitizenResponse,
    LookupHouseholdResponse,
    VerifyCitizenResponse,
)
from dancu.client.audit_calls import (
    GET_CHECKPOINT,
    GET_CONSISTENCY_PROOF,
    GET_INCLUSION_PROOF,
    GET_STATISTICS,
    LIST_AUDIT_RECORDS,
    LIST_DISCLOSURES,
    CountFilter,
    DisclosureFilter,
    RecordFilter,
    disclosures_request,
    records_request,
    statistics_request,
)
from dancu.client.base import ClientBase
from dancu.client.calls import LOOKUP_CITIZEN, Answer, LookupArguments, LookupResult, Response, answered, lookup_request
from dancu.client.citizen_calls import (
    BULK_LOOKUP_CITIZENS,
    LOOKUP_HOUSEHOLD,
    VERIFY_CITIZEN,
    BulkArguments,
    BulkResult,
    HouseholdArguments,
    HouseholdResult,
    VerifyArguments,
    VerifyResult,
    bulk_request,
    household_request,
    verify_request,
)
from dancu.client.refusals import refusal
from dancu.client.registry_calls import Record, RegistryArguments, RegistryCall, RegistryResult, registry_request
from dancu.receipt.v1.receipt_service_pb2 import (
    GetCheckpointRequest,
    GetCheckpointResponse,
    GetInclusionProofRequest,
    GetInclusionProofResponse,
)


class AsyncClient(ClientBase):
    """Asks the gateway from one event loop. Use it as an async context manager, or `close` it.

    Calls may run concurrently. A cancelled call is cancelled at the gateway as well.
    """

    _channels: tuple[grpc.aio.Channel, ...] = ()

    async def lookup_citizen(
        self, *, timeout_seconds: float | None = None, **asked: Unpack[LookupArguments]
    ) -> LookupResult:
        """Look up one citizen; `LookupArguments` says what may be asked. Raises `Refused`."""
        request = lookup_request(asked)
        return LookupResult.of(
            await self.call(LOOKUP_CITIZEN, request, LookupCitizenResponse, timeout_seconds=timeout_seconds)
        )

    async def verify_citizen(
        self, *, timeout_seconds: float | None = None, **asked: Unpack[VerifyArguments]
    ) -> VerifyResult:
        """Have claims about one citizen compared; discloses verdicts alone. Raises `Refused`."""
        request = verify_request(asked)
        return VerifyResult.of(
            await self.call(VERIFY_CITIZEN, request, VerifyCitizenResponse, timeout_seconds=timeout_seconds)
        )

    async def lookup_household(
        self, *, timeout_seconds: float | None = None, **asked: Unpack[HouseholdArguments]
    ) -> HouseholdResult:
        """Look up the household of one citizen. Raises `Refused`."""
        request = household_request(asked)
        return HouseholdResult.of(
            await self.call(LOOKUP_HOUSEHOLD, request, LookupHouseholdResponse, timeout_seconds=timeout_seconds)
        )

    async def bulk_lookup_citizens(
        self,
        items: Iterable[BulkLookupCitizensItem | str],
        *,
        timeout_seconds: float | None = None,
        **asked: Unpack[BulkArguments],
    ) -> BulkResult:
        """Look up 1 to 500 citizens, by number or as items with claims; each is answered or refused by itself.

        Raises `Refused` for what concerns the call as a whole.
        """
        request = bulk_request(items, asked)
        return BulkResult.of(
            await self.call(BULK_LOOKUP_CITIZENS, request, BulkLookupCitizensResponse, timeout_seconds=timeout_seconds)
        )

    async def lookup_registry(
        self,
        registry: RegistryCall[Record],
        *,
        timeout_seconds: float | None = None,
        **asked: Unpack[RegistryArguments],
    ) -> RegistryResult[Record]:
        """Look up what a registry holds; `RegistryArguments` says what may be asked. Raises `Refused`."""
        answer = await self.call(
            registry.method, registry_request(registry, asked), registry.response, timeout_seconds=timeout_seconds
        )
        return registry.result(answer)

    async def list_audit_records(
        self, *, timeout_seconds: float | None = None, **asked: Unpack[RecordFilter]
    ) -> ListAuditRecordsResponse:
        """One page of audit records, the latest first; needs the admin port. Raises `Refused`, ValueError."""
        answer = await self.call(
            LIST_AUDIT_RECORDS, records_request(asked), ListAuditRecordsResponse, timeout_seconds=timeout_seconds
        )
        return answer.message

    async def list_disclosures(
        self, personal_number: str, *, timeout_seconds: float | None = None, **asked: Unpack[DisclosureFilter]
    ) -> ListDisclosuresResponse:
        """One page of who was told something of a citizen, the latest first; needs the admin port. Raises `Refused`."""
        answer = await self.call(
            LIST_DISCLOSURES,
            disclosures_request(personal_number, asked),
            ListDisclosuresResponse,
            timeout_seconds=timeout_seconds,
        )
        return answer.message

    async def get_statistics(
        self, *, timeout_seconds: float | None = None, **asked: Unpack[CountFilter]
    ) -> GetStatisticsResponse:
        """Counts by period and dimension; needs the admin port. Raises `Refused`."""
        answer = await self.call(
            GET_STATISTICS, statistics_request(asked), GetStatisticsResponse, timeout_seconds=timeout_seconds
        )
        return answer.message

    async def get_consistency_proof(
        self, origin: str, *, first_size: int, second_size: int = 0, timeout_seconds: float | None = None
    ) -> GetConsistencyProofResponse:
        """The proof that a later tree of a journal continues an earlier one; needs the admin port. Raises `Refused`."""
        request = GetConsistencyProofRequest(origin=origin, first_size=first_size, second_size=second_size)
        answer = await self.call(
            GET_CONSISTENCY_PROOF, request, GetConsistencyProofResponse, timeout_seconds=timeout_seconds
        )
        return answer.message

    async def get_inclusion_proof(
        self, receipt: str, *, timeout_seconds: float | None = None
    ) -> GetInclusionProofResponse:
        """The proof that the record of one's own receipt stands in its journal. Raises `Refused`."""
        request = GetInclusionProofRequest(receipt=receipt)
        answer = await self.call(
            GET_INCLUSION_PROOF, request, GetInclusionProofResponse, timeout_seconds=timeout_seconds
        )
        return answer.message

    async def get_checkpoint(self, origin: str, *, timeout_seconds: float | None = None) -> GetCheckpointResponse:
        """The latest signed checkpoint of a journal and the keys that may have signed it. Raises `Refused`."""
        answer = await self.call(
            GET_CHECKPOINT, GetCheckpointRequest(origin=origin), GetCheckpointResponse, timeout_seconds=timeout_seconds
        )
        return answer.message

    async def call(
        self,
        method: str,
        request: Message,
        response_type: type[Response],
        *,
        timeout_seconds: float | None = None,
        metadata: Sequence[tuple[str, str]] = (),
    ) -> Answer[Response]:
        """Call any unary method, `package.Service/Method`; `metadata` joins the key. Raises `Refused`.

        A broken connection may hide that an attempt took effect, so requests that change state need a
        `request_id`: the gateway answers its repetition with the first answer.
        """
        attempts = self._attempts(timeout_seconds)
        while True:
            try:
                answer = await self._send(method, request, response_type, attempts.next_timeout(), metadata)
            except grpc.aio.AioRpcError as error:
                # The stubs take the pairs of this metadata for objects.
                trailing = cast("Iterable[tuple[str, str | bytes]]", error.trailing_metadata())
                refused = refusal(error.code(), error.details() or "", trailing)
            else:
                attempts.answered()
                return answer
            await asyncio.sleep(attempts.pause_after(refused))

    async def _send(
        self,
        method: str,
        request: Message,
        response_type: type[Response],
        timeout_seconds: float,
        metadata: Sequence[tuple[str, str]],
    ) -> Answer[Response]:
        if not self._channels:
            self._channels = tuple(self._open(index) for index in range(self._channel_count))
        send = self._turn(self._channels).unary_unary(
            f"/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=response_type.FromString,
        )
        under_way = send(request, timeout=timeout_seconds, metadata=(*self._connection.metadata(), *metadata))
        return answered(await under_way, await under_way.trailing_metadata())

    def _open(self, index: int) -> grpc.aio.Channel:
        options = self._connection.channel_options(index)
        if self._credentials is None:
            return grpc.aio.insecure_channel(self.target, options=options)
        return grpc.aio.secure_channel(self.target, self._credentials, options=options)

    async def close(self) -> None:
        """Close the connections; calls under way are cancelled. Closing twice does nothing."""
        self._closed = True
        channels, self._channels = self._channels, ()
        for channel in channels:
            await channel.close(grace=None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
