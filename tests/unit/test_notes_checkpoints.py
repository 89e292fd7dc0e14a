"""Checkpoints: one text for one tree head."""

from __future__ import annotations

import base64

import pytest

from gateway.audit.checkpoints import (
    Checkpoint,
    CheckpointError,
    read_checkpoint,
    sign_checkpoint,
    verify_checkpoint,
)
from gateway.audit.notes import NoteError, SignerKey, sign_note

SIGNER = SignerKey("dancu.example", bytes(32))
ROOT = base64.b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
# The example of the specification.
TEXT = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"


def test_the_example_of_the_specification_is_read_and_written() -> None:
    """Other people's tools must read our checkpoints."""
    checkpoint = Checkpoint("example.com/behind-the-sofa", 20852163, ROOT)
    assert Checkpoint.parse(TEXT) == checkpoint
    assert checkpoint.text() == TEXT


def test_extension_lines_of_others_are_kept() -> None:
    """They are part of what was signed."""
    checkpoint = Checkpoint.parse(TEXT + "more\nand more\n")
    assert checkpoint.extensions == ("more", "and more")
    assert checkpoint.text() == TEXT + "more\nand more\n"


def test_a_signed_checkpoint_verifies_with_the_public_key() -> None:
    """What an outsider does first."""
    checkpoint = Checkpoint("w0", 0, ROOT)
    note = sign_checkpoint(checkpoint, [SIGNER])
    assert verify_checkpoint(note, [SIGNER.verifier]) == read_checkpoint(note) == checkpoint


def test_a_checkpoint_of_a_stranger_does_not_verify() -> None:
    """Anybody can write a tree head."""
    note = sign_checkpoint(Checkpoint("w0", 0, ROOT), [SignerKey("dancu.example", bytes(range(32)))])
    with pytest.raises(NoteError):
        verify_checkpoint(note, [SIGNER.verifier])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "w0\n",
        "w0\n1\n",
        TEXT[:-1],
        TEXT + "\n",
        TEXT.replace("2085", "02085"),
        TEXT.replace("2085", "-2085"),
        TEXT.replace("2085", "٣2085"),
        TEXT.replace("2I=", "2J="),
        TEXT.replace("2I=", "2I"),
        TEXT.replace("CsUY", ""),
        TEXT.replace("CsUY", "Ä"),
        "\n1\n" + base64.b64encode(ROOT).decode() + "\n",
    ],
)
def test_any_other_text_is_refused(text: str) -> None:
    """Two texts for one tree head would be two things to sign."""
    with pytest.raises(CheckpointError):
        Checkpoint.parse(text)


@pytest.mark.parametrize("origin", ["", "a\nb"])
def test_an_origin_that_would_read_back_as_something_else_is_refused(origin: str) -> None:
    """A newline in the origin would forge the size."""
    with pytest.raises(CheckpointError):
        Checkpoint(origin, 1, ROOT)


def test_a_note_about_something_else_is_no_checkpoint() -> None:
    """A signature on one kind of text must not count for another."""
    note = sign_note("hello\n", [SIGNER])
    with pytest.raises(CheckpointError):
        verify_checkpoint(note, [SIGNER.verifier])
    with pytest.raises(CheckpointError):
        read_checkpoint("hello\n")
