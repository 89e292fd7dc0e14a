"""Many records at once: copies at hand without a task each, and everything else side by side.

Owns nothing of freshness or sources, which are `records.py`'s. What is asked for side by side leaves in one tick of the
event loop, so that the cache reads it in one round trip and the national database in as few requests as it can.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import TypeAlias

from gateway.citizens.records import Found, Records
from gateway.model import CitizenNumber
from gateway.ports import AmbiguousNumberError, NationalDatabaseUnavailableError

Failure: TypeAlias = NationalDatabaseUnavailableError | AmbiguousNumberError


async def find_many(
    records: Records,
    numbers: Sequence[CitizenNumber],
    *,
    staleness: timedelta,
    stale_if_error: timedelta | None,
    deadline: float | None,
) -> list[Found | Failure]:
    """What `Records.find` gives or raises for each number, in their order.

    A number that is named twice is asked for once.
    """
    at_hand = [records.at_hand(number, staleness=staleness) for number in numbers]
    asked = dict.fromkeys(number for number, found in zip(numbers, at_hand, strict=True) if found is None)
    searches = {
        number: asyncio.ensure_future(
            records.find(number, staleness=staleness, stale_if_error=stale_if_error, deadline=deadline)
        )
        for number in asked
    }
    if searches:
        try:
            await asyncio.wait(searches.values())
        finally:
            for search in searches.values():  # a caller who hangs up ends its searches; shared ones go on for others
                search.cancel()
    return [
        _outcome(searches[number]) if found is None else found for number, found in zip(numbers, at_hand, strict=True)
    ]


def _outcome(search: asyncio.Future[Found]) -> Found | Failure:
    try:
        return search.result()
    except (NationalDatabaseUnavailableError, AmbiguousNumberError) as failure:
        return failure
