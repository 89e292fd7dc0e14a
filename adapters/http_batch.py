"""Many questions in one request, in the envelope that the national database and the registries have in common.

Owns the request's id, how many questions and bytes one request carries, and that an answer belongs to its request and
has as many items as were asked for. Refuses to know what an item says: that it is about who was asked for is checked by
each upstream's adapter.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from adapters.http_exchange import HttpExchange, unusable
from gateway.upstream.failures import UpstreamUnavailableError

MAX_BATCH = 100
"""Items the exchange takes in one request."""
MAX_ANSWER_BYTES = 1_048_576
"""A hundred whole records are about an eighth of it."""


async def post_batch(
    http: HttpExchange, path: str, questions: Sequence[dict[str, str]], *, timeout_seconds: float
) -> list[Any]:
    """The items of the answer, one for each question in order; each is still to be checked.

    Raises `ExchangeError` where the answer has nothing for anybody.
    """
    request_id = uuid.uuid4().hex
    answer = await http.post(
        path,
        {"MaYeuCau": request_id, "DanhSach": questions},
        timeout_seconds=timeout_seconds,
        max_bytes=MAX_ANSWER_BYTES,
    )
    return _items_of(answer, request_id, len(questions))


def unusable_item(what: str) -> UpstreamUnavailableError:
    """What is told to those who asked for an item that is not as documented; `what` names a field, never a value."""
    return UpstreamUnavailableError(f"unusable answer: {what}")


def _items_of(answer: Any, request_id: str, asked: int) -> list[Any]:
    """The items of a batch, as many as were asked for; anything else may be somebody else's batch."""
    if not isinstance(answer, dict):
        raise unusable("not an object")
    if answer.get("MaYeuCau") != request_id:
        raise unusable("MaYeuCau is not the request's")
    items = answer.get("DanhSach")
    if not isinstance(items, list) or len(items) != asked:
        raise unusable("DanhSach has not as many items as were asked for")
    return items
