"""Step 1: name the call, so that its log line, its trailer and its record can be found by one identifier."""

from __future__ import annotations

import re
from collections.abc import Callable

from gateway.calls.inquiry import Inquiry, Method
from gateway.citizens.numbers import reads_as_number
from gateway.model import Call
from gateway.ports import Clock

REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def identify(call: Call, method: Method, *, clock: Clock, new_id: Callable[[], str]) -> Inquiry:
    """Open the inquiry. A malformed `x-request-id` or `traceparent` (W3C Trace Context) counts as absent.

    So does an identifier that is a citizen's number: identifiers stand in logs.
    """
    stated = call.metadata.get("x-request-id", "")
    traceparent = _TRACEPARENT.fullmatch(call.metadata.get("traceparent", ""))
    return Inquiry(
        call=call,
        method=method,
        request_id=stated if REQUEST_ID.fullmatch(stated) and not reads_as_number(stated) else new_id(),
        trace_id=bytes.fromhex(traceparent[1]) if traceparent else b"",
        arrived=clock.now(),
        started=clock.monotonic(),
    )
