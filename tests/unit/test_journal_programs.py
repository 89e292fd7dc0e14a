"""A fault test that did not run must not look like one that passed."""

from __future__ import annotations

import pytest

from tests.fakes.programs import require_program


def test_a_missing_program_fails_where_ci_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """In CI a silent skip would hide that the fault tests never ran."""
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt-get install -y some-package"):
        require_program("no-such-program", "some-package")


def test_a_missing_program_skips_with_the_hint_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer without it still gets the other tests, and the command to have it."""
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install -y some-package"):
        require_program("no-such-program", "some-package")


def test_a_program_that_is_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its path is used as it was found."""
    monkeypatch.setenv("CI", "true")
    assert require_program("sh", "dash").endswith("/sh")
