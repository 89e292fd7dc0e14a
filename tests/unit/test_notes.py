"""Signed notes against the reference implementation's vectors, and what must not pass for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.notes import KeyFormatError, Note, NoteError, SignerKey, VerifierKey, sign_note

# From the documentation and tests of golang.org/x/mod/sumdb/note, the reference implementation.
VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SIGNER = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
LINE = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
NOTE = f"{TEXT}\n{LINE}"

OLD = SignerKey("dancu.example/evidence", bytes(range(32)))
NEW = SignerKey("dancu.example/evidence", bytes(range(1, 33)))


def test_the_reference_note_is_made_byte_for_byte() -> None:
    """Other people's tools must read what we sign."""
    assert sign_note(TEXT, [SignerKey.parse(SIGNER)]) == NOTE


def test_the_reference_note_verifies() -> None:
    """We must read what other people's tools sign."""
    key = VerifierKey.parse(VERIFIER)
    assert Note.parse(NOTE).verified_by([key]) == (key,)


def test_keys_are_written_as_they_were_read() -> None:
    """Keys travel as text between people; one key, one text."""
    assert str(VerifierKey.parse(VERIFIER)) == VERIFIER
    assert SignerKey.parse(SIGNER).reveal() == SIGNER
    assert str(SignerKey.parse(SIGNER).verifier) == VERIFIER


@pytest.mark.parametrize("text", [VERIFIER, SIGNER], ids=["verifier", "signer"])
def test_a_mangled_key_is_refused(text: str) -> None:
    """A typing error in a key must be an error, not another key."""
    parse = VerifierKey.parse if text == VERIFIER else SignerKey.parse
    mangled = [text[start:end] for start in range(len(text)) for end in range(start + 1, len(text) + 1)]
    mangled.remove(text)
    mangled += [text[:at] + chr(ord(text[at]) + 1) + text[at + 1 :] for at in range(len(text))]
    for one in mangled:
        with pytest.raises(KeyFormatError):
            parse(one)


@pytest.mark.parametrize(
    "text",
    [
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+Ä",
    ],
    ids=["length", "algorithm", "letters"],
)
def test_keys_of_another_kind_are_refused(text: str) -> None:
    """Only Ed25519 is known here; anything else must not be taken for it."""
    with pytest.raises(KeyFormatError):
        VerifierKey.parse(text)


def test_a_secret_key_does_not_show_itself() -> None:
    """Keys end up in log lines by their repr."""
    assert "AYEK" not in repr(SignerKey.parse(SIGNER))
    assert "PeterNeumann" in repr(SignerKey.parse(SIGNER))


@pytest.mark.parametrize("name", ["", "two words", "a+b", "a\u00a0b", "a\x07b"])
def test_names_no_note_can_carry_are_refused(name: str) -> None:
    """The signature line is split at spaces, the key at plus signs."""
    with pytest.raises(KeyFormatError):
        SignerKey(name, bytes(32))


def test_a_note_of_two_signers_verifies_with_either_key() -> None:
    """While a key is rotated both sign, so that nobody has to change keys on the same day."""
    note = Note.parse(sign_note("text\n", [OLD, NEW]))
    assert note.verified_by([OLD.verifier]) == (OLD.verifier,)
    assert note.verified_by([NEW.verifier]) == (NEW.verifier,)
    assert note.verified_by([NEW.verifier, OLD.verifier]) == (OLD.verifier, NEW.verifier)


def test_signatures_of_unknown_keys_are_passed_over() -> None:
    """Witnesses may add their own lines; the specification demands to ignore unknown ones."""
    stranger = "— witness.example AAAAAAAA\n"
    assert Note.parse(NOTE + stranger).verified_by([VerifierKey.parse(VERIFIER)])


def test_a_note_no_known_key_signed_is_refused() -> None:
    """A signature proves nothing unless the key was known before."""
    with pytest.raises(NoteError, match="no known key"):
        Note.parse(NOTE).verified_by([OLD.verifier])


def test_one_false_signature_of_a_known_key_spoils_the_note() -> None:
    """A good signature beside a forged one means somebody is at work."""
    good = sign_note("text\n", [OLD, NEW])
    other = sign_note("other\n", [NEW]).rpartition("\n\n")[2]
    forged = "".join([*good.splitlines(keepends=True)[:-1], other])
    with pytest.raises(NoteError, match="does not fit"):
        Note.parse(forged).verified_by([OLD.verifier, NEW.verifier])


@given(st.integers(0, len(NOTE.encode()) - 1), st.integers(1, 255))
def test_no_changed_byte_passes(at: int, flip: int) -> None:
    """The promise of a signature."""
    changed = bytearray(NOTE.encode())
    changed[at] ^= flip
    with pytest.raises((NoteError, UnicodeDecodeError)):
        Note.parse(changed.decode()).verified_by([VerifierKey.parse(VERIFIER)])


@pytest.mark.parametrize(
    "note",
    [
        "",
        TEXT,
        f"{TEXT}{LINE}",
        f"{TEXT}\n{LINE[:-1]}",
        f"{TEXT}\n{LINE}\n",
        f"{TEXT}\n-{LINE[1:]}",
        f"{TEXT}\n— PeterNeumann\n",
        f"{TEXT}\n— PeterNeumann AAAA\n",
        f"{TEXT}\n— PeterNeumann !!!!\n",
        f"{TEXT}\n{LINE.replace('AM=', 'AN=')}",
        f"{TEXT}\t\n{LINE}",
        f"{TEXT}\n" + LINE * 101,
        "x" * (1 << 20) + NOTE,
    ],
)
def test_what_is_not_a_note_is_refused(note: str) -> None:
    """Parsers that guess are parsers that are fooled."""
    with pytest.raises(NoteError):
        Note.parse(note)


@pytest.mark.parametrize("text", ["no newline", "tab\t\n"])
def test_text_no_note_can_carry_is_not_signed(text: str) -> None:
    """A note we sign must read back as the same text."""
    with pytest.raises(NoteError):
        sign_note(text, [OLD])


def test_the_text_may_hold_empty_lines() -> None:
    """The specification splits at the last empty line."""
    assert Note.parse(sign_note("a\n\nb\n", [OLD])).text == "a\n\nb\n"
