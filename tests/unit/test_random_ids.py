"""Identifiers of calls."""

from __future__ import annotations

from adapters.random_ids import RandomIds
from gateway.calls.identify import REQUEST_ID


def test_no_identifier_is_given_twice_and_each_fits_the_contract() -> None:
    """A call is found by it in log, trailer and record."""
    new_id = RandomIds()
    made = [new_id() for _ in range(5000)]
    assert len(set(made)) == 5000
    assert all(REQUEST_ID.fullmatch(one) and len(one) == 24 for one in made)
