"""The page of security tests names tests that exist, and leaves no item out."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/security-tests.md").read_text(encoding="utf-8")


def test_every_test_that_the_page_names_is_there() -> None:
    """A reviewer who follows the page must arrive at a test."""
    named = re.findall(r"`([a-z]+/test_\w+\.py)::(test_\w+)`", PAGE)
    assert len(named) > 30
    for file, test in named:
        tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
        there = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert test in there, f"{file}::{test}"


def test_every_item_and_every_test_of_an_item_is_on_the_page() -> None:
    """A list with a hole in it reads as one without."""
    rows = [line for line in PAGE.splitlines() if line.startswith("| API")]
    assert [int(re.findall(r"^\| API(\d+) ", row)[0]) for row in rows] == list(range(1, 11))
    assert all("::test_" in row for row in rows)
    for path in (ROOT / "tests").rglob("test_owasp_*.py"):
        for test in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE):
            assert test in PAGE, test
