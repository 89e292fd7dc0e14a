"""What a connection may take up: numbers, and why.

They are no settings: none of them is right for one place and wrong for another.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.transport.lean.frames import FIRST_WINDOW

MAX_STREAMS = 1_000
"""Calls under way on one connection, those whose caller hung up and whose work has not ended yet included."""
MAX_BLOCK_BYTES = 65_536
MAX_BLOCK_FRAMES = 32
"""HEADERS with its CONTINUATION frames (CVE-2024-27316 and its kin)."""
RECEIVE_WINDOW = 4 << 20
"""Of a connection; what may be under way unread."""
UNFINISHED_REQUESTS = 4
"""Times the largest request: what a connection may have us keep of requests that are not whole yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of every connection of a server. Times in seconds."""

    max_request_bytes: int
    max_connection_age: float
    age_grace: float = 60.0
    """How long calls under way may take once a connection is old."""
    handshake: float = 10.0
    """Until the preface and the first SETTINGS are there."""
    silence: float = 120.0
    """After so long without a byte the peer is asked whether it lives."""
    ping: float = 20.0
    """How long it may take to say so."""
    stall: float = 60.0
    """How long a peer may let nothing through of what waits for it."""
    closing: float = 5.0
    """How long it may take to receive the last bytes."""
    farewell: float = 1.0
    """Between the first GOAWAY and the last, where the peer does not answer the ping between them."""

    @property
    def stream_window(self) -> int:
        """What a caller may send on a stream at once: a whole request, so that none has to ask for more."""
        return max(FIRST_WINDOW, self.max_request_bytes + 1_024)

    @property
    def unfinished_bytes(self) -> int:
        """Of requests that are not whole yet, on one connection."""
        return UNFINISHED_REQUESTS * max(FIRST_WINDOW, self.max_request_bytes)
