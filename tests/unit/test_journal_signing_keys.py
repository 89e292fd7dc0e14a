"""The keys that sign checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.journal.signing_keys import SigningKeys, read_verifiers
from adapters.secret_files import SecretMissingError
from gateway.audit.notes import Note, sign_note


@pytest.fixture
def keys(tmp_path: Path) -> SigningKeys:
    keys = SigningKeys(tmp_path / "keys", name="dancu.example")
    keys.ensure()
    return keys


def test_a_key_is_made_once_and_kept(keys: SigningKeys, tmp_path: Path) -> None:
    """Another key at every start would be no key at all."""
    before = keys.verifiers()
    keys.ensure()
    assert keys.verifiers() == before
    assert [signer.verifier for signer in keys.signers()] == before
    assert before[0].name == "dancu.example"
    assert (tmp_path / "keys" / "1.signer").stat().st_mode & 0o777 == 0o600


def test_while_a_key_is_rotated_both_sign(keys: SigningKeys) -> None:
    """Outsiders change keys when they can, not when we do."""
    (old,) = keys.verifiers()
    new = keys.rotate()
    note = Note.parse(sign_note("text\n", keys.signers()))
    assert note.verified_by([old]) == (old,)
    assert note.verified_by([new]) == (new,)


def test_a_retired_key_signs_no_more_and_stays_known(keys: SigningKeys) -> None:
    """What it signed must stay valid for as long as the law asks."""
    (old,) = keys.verifiers()
    note = Note.parse(sign_note("text\n", keys.signers()))
    new = keys.rotate()
    keys.retire(1)
    assert [signer.verifier for signer in keys.signers()] == [new]
    assert keys.verifiers() == [old, new]
    assert note.verified_by(keys.verifiers()) == (old,)


def test_the_current_key_cannot_be_retired(keys: SigningKeys) -> None:
    """Without it evidence would stop."""
    with pytest.raises(ValueError, match="rotate first"):
        keys.retire(1)


def test_a_witness_gets_the_public_keys_and_keeps_what_it_has(keys: SigningKeys, tmp_path: Path) -> None:
    """A forger who changes a key here must not change the one there."""
    keys.publish(tmp_path / "witness")
    (old,) = read_verifiers(tmp_path / "witness")
    keys.rotate()
    (tmp_path / "keys" / "1.verifier").write_text("forged\n")
    keys.publish(tmp_path / "witness")
    assert read_verifiers(tmp_path / "witness")[0] == old
    assert len(read_verifiers(tmp_path / "witness")) == 2
    assert not list((tmp_path / "witness").glob("*.signer"))


def test_a_missing_or_broken_key_is_said_to_be(keys: SigningKeys, tmp_path: Path) -> None:
    """The message names the file and holds nothing of the key."""
    (tmp_path / "keys" / "1.signer").write_text("PRIVATE+KEY+dancu.example+00000000+AAAA\n")
    with pytest.raises(SecretMissingError, match=r"1\.signer") as caught:
        keys.signers()
    assert "AAAA" not in str(caught.value)
    (tmp_path / "keys" / "1.signer").unlink()
    with pytest.raises(SecretMissingError, match="no signing key"):
        keys.signers()


def test_a_lost_private_key_is_not_replaced_in_silence(keys: SigningKeys, tmp_path: Path) -> None:
    """An operator must rotate knowingly: the new key has to be told to those who verify."""
    (tmp_path / "keys" / "1.signer").unlink()
    keys.ensure()
    with pytest.raises(SecretMissingError):
        keys.signers()
