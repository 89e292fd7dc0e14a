"""How much of what asks for nothing is borne from a peer: pings, settings, resets, empty frames, window updates.

All of them are lawful, cheap to send and not free to take (CVE-2019-9512, -9514, -9515, -9518; CVE-2023-44487 for
streams opened and reset). A peer has an allowance of them, which grows with time and with the frames it is sent: who
is answered has reasons to ping and to widen windows.
"""

from __future__ import annotations

from gateway.transport.lean.frames import ConnectionFaultError, ErrorCode

ALLOWANCE = 1_000.0
PER_SECOND = 100.0
PER_FRAME_SENT = 4.0


class Patience:
    """The allowance of one connection."""

    __slots__ = ("_at", "_left")

    def __init__(self, *, now: float) -> None:
        """`now`: seconds on the loop's clock."""
        self._left = ALLOWANCE
        self._at = now

    def sent(self, frames: int) -> None:
        """The peer was sent so many frames of answers."""
        self._left = min(ALLOWANCE, self._left + frames * PER_FRAME_SENT)

    def spend(self, *, now: float) -> None:
        """One more. Raises `ConnectionFaultError` (ENHANCE_YOUR_CALM) where the allowance is used up."""
        self._left -= 1
        if self._left < 0:
            self._left = min(ALLOWANCE, self._left + (now - self._at) * PER_SECOND)
            self._at = now
            if self._left < 0:
                raise ConnectionFaultError(ErrorCode.ENHANCE_YOUR_CALM, "too many frames that ask for nothing")
