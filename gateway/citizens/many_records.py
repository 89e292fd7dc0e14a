"""Many records at once: copies at hand without a task each, and everything else side by side.

Owns nothing of freshness or sources, which are `records.py`'s. What is asked for side by side leaves in one tick of the
event loop, so that the cache reads it in one round trip and the national database in as few requests as it can.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from typing import TypeAlias

from gateway.citizens.records import Found, Records
from gateway.model import CitizenNumber
from gateway.ports import AmbiguousNumberError, NationalDatabaseUnavailableError

Failure: TypeAlias = NationalDatabaseUnavailableError | AmbiguousNumberError


async def find_many(
    records: Records,
    numbers: Iterable[CitizenNumber],
    *,
    staleness: timedelta,
    stale_if_error: timedelta | None,
    deadline: float | None,
) -> dict[CitizenNumber, Found | Failure]:
    """What `Records.find` gives or raises for each number; a number that is named twice is asked for once."""
    answers: dict[CitizenNumber, Found | Failure] = {}
    asked = []
    for number in dict.fromkeys(numbers):
        found = records.at_hand(number, staleness=staleness)
        if found is not None:
            answers[number] = found
        else:
            asked.append(number)
    if asked:
        searches = [
            asyncio.ensure_future(
                records.find(number, staleness=staleness, stale_if_error=stale_if_error, deadline=deadline)
            )
            for number in asked
        ]
        try:
            await asyncio.wait(searches)
        finally:
            for search in searches:  # a caller who hangs up ends its searches; shared ones go on for others
                search.cancel()
        for number, search in zip(asked, searches, strict=True):
            try:
                answers[number] = search.result()
            except (NationalDatabaseUnavailableError, AmbiguousNumberError) as failure:
                answers[number] = failure
    return answers
