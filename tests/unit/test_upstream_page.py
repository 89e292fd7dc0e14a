"""docs/upstream.md against the code: an operator turns the knobs it names."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.settings import UpstreamSettings
from gateway.upstream.failures import Failure
from gateway.upstream.policy import UpstreamPolicy

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "upstream.md").read_text(encoding="utf-8")


def test_the_page_names_every_setting_with_its_default() -> None:
    """A default that drifts from the page is looked for in the wrong place, at night."""
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| ([0-9.]+) \|", PAGE, re.MULTILINE))
    assert {name: float(default) for name, default in rows.items()} == {
        name: float(field.default) for name, field in UpstreamSettings.model_fields.items()
    }


def test_the_settings_are_the_policys_defaults() -> None:
    """Registries and tests that take the policy as it is must get what operators read."""
    assert UpstreamSettings().policy == UpstreamPolicy()


def test_the_page_names_every_outcome_and_every_cause_of_refusal() -> None:
    """They are what a graph is made of."""
    for outcome in (*(failure.value.outcome for failure in Failure), "answered", "failed"):
        assert f"`{outcome}`" in PAGE
    lanes = (Path(__file__).resolve().parents[2] / "gateway" / "upstream" / "lanes.py").read_text(encoding="utf-8")
    causes = set(re.findall(r'why="([a-z]+)"', lanes)) | set(re.findall(r'_refuse_waiting\("([a-z]+)"', lanes))
    assert causes == {"breaker", "full", "late", "closing"}
    for cause in causes:
        assert f"`{cause}`" in PAGE
