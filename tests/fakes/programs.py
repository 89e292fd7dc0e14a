"""Programs some tests need beside Python."""

from __future__ import annotations

import os
import shutil

import pytest


def require_program(name: str, debian_package: str) -> str:
    """The path of a program; without it the test is skipped with the install hint, and fails where `CI` is true."""
    path = shutil.which(name)
    if path is not None:
        return path
    reason = f"{name} is missing: apt-get update && apt-get install -y {debian_package}"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason)
    pytest.skip(reason)
