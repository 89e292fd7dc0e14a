"""Fields completed by hand are what protobuf itself would have written."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dancu.audit.v1.audit_record_pb2 import AuditRecord
from gateway.audit.fields import bytes_field, varint_field
from gateway.audit.stamp import stamp_index

NUMBERS = st.integers(1, 2**64 - 1)


@given(NUMBERS, st.binary(min_size=1, max_size=300), st.integers(1, 2**32 - 1))
def test_a_completed_record_is_the_one_protobuf_writes(age: int, token: bytes, version: int) -> None:
    """An encoding of our own that drifts would make evidence that nobody can read."""
    by_hand = (
        varint_field(AuditRecord.DATA_AGE_MILLIS_FIELD_NUMBER, age)
        + bytes_field(AuditRecord.SUBJECT_TOKEN_FIELD_NUMBER, token)
        + varint_field(AuditRecord.SUBJECT_KEY_VERSION_FIELD_NUMBER, version)
    )
    wanted = AuditRecord(data_age_millis=age, subject_token=token, subject_key_version=version)
    assert AuditRecord.FromString(by_hand) == wanted
    assert len(by_hand) == len(wanted.SerializeToString())


@given(st.integers(0, 2**63 - 1))
def test_an_index_stands_behind_what_is_serialised_already(index: int) -> None:
    """The stored bytes are never parsed and written again."""
    payload = AuditRecord(account="01/test").SerializeToString()
    assert AuditRecord.FromString(stamp_index(payload, index)) == AuditRecord(account="01/test", index=index)
