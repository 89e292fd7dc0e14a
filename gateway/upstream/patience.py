"""How long somebody waits for an answer. Pure."""

from __future__ import annotations


class Patience:
    """Until when a question is worth asking: the latest moment at which anybody waits for its answer.

    Shared by all who wait for the same answer, so that one with little time takes nothing from one with more.
    """

    __slots__ = ("until",)

    def __init__(self, until: float) -> None:
        """`until` is monotonic, in seconds."""
        self.until = until

    def extend(self, until: float) -> None:
        """Another one waits, until then."""
        self.until = max(self.until, until)
