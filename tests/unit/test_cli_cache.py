"""`dancu cache`: an operator rotates the key while everything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.secret_files import CACHE_SEAL, key_ring
from dancu.cli import main


def test_rotating_adds_a_key_and_keeps_the_earlier_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Copies under the earlier key must stay readable, and the key must stay ours alone."""
    ring = key_ring(tmp_path, CACHE_SEAL)
    first = ring.ensure()
    assert main(["cache", "rotate", "--data-dir", str(tmp_path)]) == 0
    assert "version 2" in capsys.readouterr().out
    assert [key.version for key in ring.versions()] == [1, 2]
    assert ring.versions()[0].secret.reveal() == first.secret.reveal()
    path = tmp_path / "secrets" / CACHE_SEAL / "2.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().strip() not in capsys.readouterr().out


@pytest.mark.parametrize(("language", "told"), [("en", "no key was added"), ("vi", "chưa thêm khóa")])
def test_where_there_is_no_installation_nothing_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], language: str, told: str
) -> None:
    """A typing mistake must not make a second installation's key that nothing uses."""
    folder = tmp_path / "elsewhere"
    assert main(["cache", "rotate", "--data-dir", str(folder), "--lang", language]) == 1
    assert told in capsys.readouterr().err
    assert not folder.exists()
