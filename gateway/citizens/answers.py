"""What answers about citizens share: who is identified, what stands for a failure, and where an answer came from.

Pure. Owns the rule that claims which do not match, and numbers that nobody holds, are one answer.
"""

from __future__ import annotations

from datetime import date

from google.protobuf.timestamp_pb2 import Timestamp

from dancu.citizen.v1 import citizen_pb2
from dancu.common.v1 import common_pb2
from gateway.citizens.matching import first_mismatch
from gateway.citizens.records import Found
from gateway.errors import GatewayError, NotFoundError, PreconditionError, Reason, UnavailableError
from gateway.ports import AmbiguousNumberError, NationalDatabaseUnavailableError


def identified(found: Found, claims: citizen_pb2.Claims | None, *, today: date) -> citizen_pb2.Citizen:
    """The citizen, where somebody holds the number and every claim identifies them; raises `NotFoundError`."""
    citizen = found.record.citizen
    if claims is None:
        if citizen is None:
            raise NotFoundError(Reason.CITIZEN_NOT_FOUND)
    elif citizen is None or first_mismatch(claims, citizen, today=today) is not None:
        # With claims, "nobody" and "not this person" are one answer: neither confirms that the number is held.
        raise NotFoundError(Reason.IDENTITY_MISMATCH)
    return citizen


def refusal_for(error: NationalDatabaseUnavailableError | AmbiguousNumberError) -> GatewayError:
    """The refusal that a failed search means."""
    if isinstance(error, AmbiguousNumberError):
        return PreconditionError(Reason.AMBIGUOUS)
    return UnavailableError(
        Reason.NATIONAL_DB_UNAVAILABLE, retry_after_seconds=error.retry_after_seconds, cause=error.cause
    )


def provenance_of(found: Found) -> common_pb2.Provenance:
    """The provenance of a found record."""
    return provenance(
        found.source,
        data_as_of=found.record.data_as_of,
        fetched_at=found.record.fetched_at,
        version=found.record.version,
    )


def provenance(
    source: common_pb2.Provenance.Source.ValueType, *, data_as_of: float, fetched_at: float, version: int
) -> common_pb2.Provenance:
    """A provenance; times in seconds since the epoch, told to the microsecond."""
    told = common_pb2.Provenance(source=source, record_version=version)
    _set_moment(told.data_as_of, data_as_of)
    _set_moment(told.fetched_at, fetched_at)
    return told


def set_provenance(told: common_pb2.Provenance, found: Found) -> None:
    """Tell the provenance of a found record in a message that is part of another."""
    record = found.record
    told.source = found.source
    told.record_version = record.version
    _set_moment(told.data_as_of, record.data_as_of)
    _set_moment(told.fetched_at, record.fetched_at)


def _set_moment(moment: Timestamp, seconds: float) -> None:
    # By hand: `FromMicroseconds` costs more than the rest of a provenance, and a list has five hundred.
    micros = int(seconds * 1e6)
    moment.seconds = micros // 1_000_000
    moment.nanos = micros % 1_000_000 * 1000
