"""Page tokens: only what this installation made, for the question it was made for, is ever read."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.ledger import Position
from gateway.audit.page_tokens import PageTokenError, PageTokens
from gateway.model import Secret, VersionedSecret

OLD, NEW, FOREIGN = (VersionedSecret(version, Secret(fill * 32)) for version, fill in ((1, b"o"), (2, b"n"), (2, b"f")))
TOKENS = PageTokens([OLD, NEW])
QUESTION = b"ListAuditRecords\x00filters"
positions = st.builds(
    Position,
    st.integers(min_value=0, max_value=(1 << 63) - 1),
    st.integers(min_value=0, max_value=(1 << 32) - 1),
    st.integers(min_value=0, max_value=(1 << 63) - 1),
)


@given(positions, st.binary(max_size=40))
def test_a_token_leads_back_to_its_position(position: Position, question: bytes) -> None:
    """All a page needs to know where the one before ended."""
    token = TOKENS.make(position, question=question)
    assert TOKENS.read(token, question=question) == position
    assert len(token) == 52
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(positions, st.integers(min_value=0, max_value=39 * 8 - 1))
def test_any_changed_bit_is_refused(position: Position, bit: int) -> None:
    """A token is no place to try out positions."""
    data = bytearray(base64.urlsafe_b64decode(TOKENS.make(position, question=QUESTION)))
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(PageTokenError):
        TOKENS.read(base64.urlsafe_b64encode(data).decode(), question=QUESTION)


@given(st.text(max_size=80))
def test_any_other_text_is_refused(text: str) -> None:
    """And refused in words, not with a failure of ours."""
    with pytest.raises(PageTokenError):
        TOKENS.read(text, question=QUESTION)


@given(st.binary(min_size=39, max_size=39))
def test_any_bytes_of_the_right_length_are_refused(data: bytes) -> None:
    """Also such as name a key that does not exist."""
    with pytest.raises(PageTokenError):
        TOKENS.read(base64.urlsafe_b64encode(data).decode(), question=QUESTION)


@given(positions, st.binary(max_size=40))
def test_another_question_is_refused(position: Position, other: bytes) -> None:
    """Filters are part of what a page shows."""
    token = TOKENS.make(position, question=QUESTION)
    if other != QUESTION:
        with pytest.raises(PageTokenError):
            TOKENS.read(token, question=other)


@given(positions)
def test_another_installations_token_is_refused(position: Position) -> None:
    """The same version of another key proves nothing."""
    with pytest.raises(PageTokenError):
        TOKENS.read(PageTokens([FOREIGN]).make(position, question=QUESTION), question=QUESTION)


@given(positions)
def test_tokens_outlive_a_rotation_of_the_key(position: Position) -> None:
    """A long list goes on while keys change; a retired key ends it."""
    token = PageTokens([OLD]).make(position, question=QUESTION)
    assert TOKENS.read(token, question=QUESTION) == position
    with pytest.raises(PageTokenError):
        PageTokens([NEW]).read(token, question=QUESTION)
