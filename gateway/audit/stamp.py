"""How a record gets its index: the field is appended to the serialised message, which then needs no second pass.

Protocol Buffers merge repeated occurrences of a field, and an absent field needs no order, so payload plus field is the
serialisation of the record with its index.
"""

from __future__ import annotations

from dancu.audit.v1.audit_record_pb2 import AuditRecord
from gateway.audit.fields import varint_field

_INDEX = AuditRecord.INDEX_FIELD_NUMBER


def stamp_index(payload: bytes, index: int) -> bytes:
    """The stored bytes of a record: `payload` followed by field `index` as a varint."""
    return payload + varint_field(_INDEX, index)
