"""What the sections of the settings have in common. Refuses to know any of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """One table of `dancu.toml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)


_SectionT = TypeVar("_SectionT", bound=Section)


def both_or_neither(one: str, other: str) -> Callable[[_SectionT], _SectionT]:
    """A check that both fields are set or neither."""

    def check(section: _SectionT) -> _SectionT:
        if (getattr(section, one) is None) != (getattr(section, other) is None):
            raise ValueError(f"{one} and {other} belong together; one is missing")
        return section

    return check


class ListenSettings(Section):
    """Where a port of the control process listens."""

    host: str = "127.0.0.1"
    """Loopback by default: these ports are for operators."""
    port: int = Field(default=0, ge=0, le=65535)
    """0 takes a free one."""
