"""One log line per call at most, at a bounded rate, with identifiers only.

Evidence is the journal's matter; these lines are for whoever operates the gateway, and may be lost.
"""

from __future__ import annotations

import logging
import traceback
from typing import Any

import structlog

from gateway.calls.inquiry import Inquiry
from gateway.errors import GatewayError
from gateway.ports import Clock

_LINES_PER_SECOND = 20.0


class CallLog:
    """Writes the lines of calls: answers at debug, refusals at info, our own failures at warning and error."""

    def __init__(self, *, clock: Clock) -> None:
        """`clock` bounds the rate of lines above debug."""
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("dancu.calls")
        self._clock = clock
        self._allowance = _LINES_PER_SECOND
        self._counted_at = clock.monotonic()
        self._suppressed = 0

    def answered(self, inquiry: Inquiry, *, seconds: float) -> None:
        """The call was answered."""
        if self._log.is_enabled_for(logging.DEBUG):
            self._log.debug("call_answered", **_names(inquiry), milliseconds=round(seconds * 1e3, 2))

    def refused(self, inquiry: Inquiry, refusal: GatewayError) -> None:
        """The call was refused."""
        if not self._may_write():
            return
        ours = refusal.kind in {"UNAVAILABLE", "INTERNAL"}
        write = self._log.warning if ours else self._log.info
        write("call_refused", **_names(inquiry), reason=refusal.reason.name, **self._extra(refusal.cause))

    def failed(self, inquiry: Inquiry, error: Exception) -> None:
        """A defect. The exception's text stays out: it may repeat what the caller sent."""
        if self._may_write():
            frames = traceback.extract_tb(error.__traceback__)[-6:]
            where = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames]
            self._log.error(
                "call_failed", **_names(inquiry), error=type(error).__name__, where=where, **self._extra("")
            )

    def _may_write(self) -> bool:
        now = self._clock.monotonic()
        self._allowance = min(_LINES_PER_SECOND, self._allowance + (now - self._counted_at) * _LINES_PER_SECOND)
        self._counted_at = now
        if self._allowance < 1:
            self._suppressed += 1
            return False
        self._allowance -= 1
        return True

    def _extra(self, cause: str) -> dict[str, Any]:
        suppressed, self._suppressed = self._suppressed, 0
        return {**({"cause": cause} if cause else {}), **({"suppressed": suppressed} if suppressed else {})}


def _names(inquiry: Inquiry) -> dict[str, str]:
    return {
        "method": inquiry.method.name,
        "request_id": inquiry.request_id,
        "account": inquiry.account.name if inquiry.account is not None else "",
        "peer": inquiry.call.peer,
    }
