"""The keys of the evidence on disk: private, made once, rotated without losing what the old ones named."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.ledger.keys import PAGE_TOKEN, EverySubjectToken, page_tokens, signing_keys, verifier_keys_folder
from adapters.secret_files import SUBJECT_TOKEN, SecretMissingError, key_ring
from gateway.audit.ledger import Position
from gateway.audit.page_tokens import PageTokenError
from gateway.audit.tokens import Tokens
from gateway.citizens.numbers import personal
from gateway.settings import Settings

AN = personal("097090000001")
PLACE = Position(1, 2, 3)


def test_a_citizen_is_named_by_every_version_as_soon_as_there_is_one(tmp_path: Path) -> None:
    """Searches after a rotation must find the records made before it, without a restart."""
    ring = key_ring(tmp_path, SUBJECT_TOKEN)
    tokens_of = EverySubjectToken(tmp_path)
    with pytest.raises(SecretMissingError):
        tokens_of(AN)
    first = Tokens(ring.ensure())
    assert tokens_of(AN) == (first.of(AN),)
    second = Tokens(ring.rotate())
    assert tokens_of(AN) == (first.of(AN), second.of(AN))
    assert (first.version, second.version) == (1, 2)
    assert first.of(AN) != second.of(AN)


def test_page_tokens_outlive_a_restart_and_a_rotation(tmp_path: Path) -> None:
    """A list that somebody is reading must not break because a process or a key was replaced."""
    settings = Settings(data_dir=tmp_path)
    token = page_tokens(settings).make(PLACE, question=b"q")
    assert page_tokens(settings).read(token, question=b"q") == PLACE
    key_ring(tmp_path, PAGE_TOKEN).rotate()
    assert page_tokens(settings).read(token, question=b"q") == PLACE
    assert page_tokens(settings).make(PLACE, question=b"q") != token
    with pytest.raises(PageTokenError):
        page_tokens(Settings(data_dir=tmp_path / "other")).read(token, question=b"q")


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    """Whoever reads the signing key can rewrite history."""
    settings = Settings(data_dir=tmp_path, node="may-1")
    page_tokens(settings)
    keys = signing_keys(settings)
    keys.ensure()
    keys.ensure()
    (verifier,) = keys.verifiers()
    assert verifier.name == "dancu.may-1"
    assert (verifier_keys_folder(tmp_path) / "1.signer").exists()
    files = [path for path in (tmp_path / "secrets").rglob("*") if path.is_file()]
    assert len(files) == 3
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert {path.parent.stat().st_mode & 0o777 for path in files} == {0o700}
