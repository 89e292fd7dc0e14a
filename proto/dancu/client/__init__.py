"""The client library: ask the gateway from Python.

    from dancu.client import Client, Refused

    with Client() as gateway:                      # DANCU_TARGET and DANCU_API_KEY name where and who
        try:
            found = gateway.lookup_citizen(personal_number=number, procedure="1.001193", fields=["full_name"])
        except Refused as refused:
            ...                                    # refused.reason, .message, .violations, .retry_after
        else:
            ...                                    # found.citizen, .provenance, .receipt

    licences = gateway.lookup_registry(DRIVING_LICENCES, personal_number=number, procedure="1.001193").record

`AsyncClient` is the same for asyncio. Knows gRPC, protobuf and the public contract; refuses to know the gateway.
"""

from dancu.citizen.v1.citizen_pb2 import Citizen, Claims
from dancu.client.aio import AsyncClient
from dancu.client.blocking import Client
from dancu.client.calls import Answer, LookupArguments, LookupResult, OneCitizen, RateLimit
from dancu.client.citizen_calls import (
    MAX_BULK_ITEMS,
    BulkArguments,
    BulkItem,
    BulkResult,
    HouseholdArguments,
    HouseholdResult,
    VerifyArguments,
    VerifyResult,
    bulk_item,
)
from dancu.client.connection import ConfigurationError
from dancu.client.message_json import message_to_json, parse_birth_date
from dancu.client.refusals import (
    Conflict,
    DeadlineExceeded,
    Internal,
    InvalidRequest,
    LimitExceeded,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    QuotaViolation,
    Refused,
    Unauthenticated,
    Unavailable,
    Unreachable,
    Violation,
)
from dancu.client.registry_calls import (
    CIVIL_STATUS,
    DIGITAL_IDENTITY,
    DRIVING_LICENCES,
    ENTERPRISES,
    REGISTRIES,
    SOCIAL_INSURANCE,
    RegistryArguments,
    RegistryCall,
    RegistryResult,
)
from dancu.client.retries import RetryPolicy
from dancu.common.v1.common_pb2 import BirthDate, Provenance, Purpose

__all__ = [
    "CIVIL_STATUS",
    "DIGITAL_IDENTITY",
    "DRIVING_LICENCES",
    "ENTERPRISES",
    "MAX_BULK_ITEMS",
    "REGISTRIES",
    "SOCIAL_INSURANCE",
    "Answer",
    "AsyncClient",
    "BirthDate",
    "BulkArguments",
    "BulkItem",
    "BulkResult",
    "Citizen",
    "Claims",
    "Client",
    "ConfigurationError",
    "Conflict",
    "DeadlineExceeded",
    "HouseholdArguments",
    "HouseholdResult",
    "Internal",
    "InvalidRequest",
    "LimitExceeded",
    "LookupArguments",
    "LookupResult",
    "NotFound",
    "OneCitizen",
    "PermissionDenied",
    "PreconditionFailed",
    "Provenance",
    "Purpose",
    "QuotaViolation",
    "RateLimit",
    "Refused",
    "RegistryArguments",
    "RegistryCall",
    "RegistryResult",
    "RetryPolicy",
    "Unauthenticated",
    "Unavailable",
    "Unreachable",
    "VerifyArguments",
    "VerifyResult",
    "Violation",
    "bulk_item",
    "message_to_json",
    "parse_birth_date",
]
