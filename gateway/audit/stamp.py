"""How a record gets its index: the field is appended to the serialised message, which then needs no second pass.

Protocol Buffers merge repeated occurrences of a field, and an absent field needs no order, so payload plus field is the
serialisation of the record with its index.
"""

from __future__ import annotations

from dancu.audit.v1 import audit_record_pb2

_TAG = bytes([audit_record_pb2.AuditRecord.INDEX_FIELD_NUMBER << 3])  # wire type 0, varint


def stamp_index(payload: bytes, index: int) -> bytes:
    """The stored bytes of a record: `payload` followed by field `index` as a varint."""
    encoded = bytearray()
    while index > 0x7F:
        encoded.append(index & 0x7F | 0x80)
        index >>= 7
    encoded.append(index)
    return payload + _TAG + encoded
