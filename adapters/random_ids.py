"""Random identifiers, drawn from the system's generator by the thousand.

Asking it for each one lets go of the interpreter lock on every call, which a busy worker pays for.
"""

from __future__ import annotations

import os

ID_BYTES = 12
_DRAWN_AT_ONCE = 1024


class RandomIds:
    """Makes identifiers of 24 hexadecimal digits, 96 random bits each. One instance per process: not for forks."""

    def __init__(self) -> None:
        self._drawn: list[str] = []

    def __call__(self) -> str:
        """An identifier never given before."""
        if not self._drawn:
            digits = os.urandom(ID_BYTES * _DRAWN_AT_ONCE).hex()
            width = 2 * ID_BYTES
            self._drawn = [digits[at : at + width] for at in range(0, len(digits), width)]
        return self._drawn.pop()
