"""Step 8: the trailing metadata that accompanies every answer and every refusal."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.audit.receipt import Receipt
from gateway.calls.inquiry import Inquiry


def trailing(inquiry: Inquiry, receipts: Sequence[Receipt]) -> tuple[tuple[str, str], ...]:
    """`dancu-request-id`, then one `dancu-receipt` per record, then the RateLimit fields."""
    return (
        ("dancu-request-id", inquiry.request_id),
        *(("dancu-receipt", str(receipt)) for receipt in receipts),
        *inquiry.rate_limit,
    )
