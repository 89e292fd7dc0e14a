"""Step 8: the trailing metadata that accompanies every answer and every refusal."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.audit.receipt import Receipt
from gateway.calls.inquiry import Inquiry

MAX_RECEIPTS = 16
"""Receipts in trailing metadata. Stock clients refuse more than 8 KiB of it; where a call makes more records than this,
its answer holds the receipts as well."""


def trailing(inquiry: Inquiry, receipts: Sequence[Receipt]) -> tuple[tuple[str, str], ...]:
    """`dancu-request-id`, then one `dancu-receipt` per record up to `MAX_RECEIPTS`, then the RateLimit fields."""
    return (
        ("dancu-request-id", inquiry.request_id),
        *(("dancu-receipt", str(receipt)) for receipt in receipts[:MAX_RECEIPTS]),
        *inquiry.rate_limit,
    )
