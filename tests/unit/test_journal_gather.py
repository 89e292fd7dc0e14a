"""How long a commit waits for company."""

from __future__ import annotations

from adapters.journal.gather import MIN_COMPANY, THIN_WINDOWS, TRIAL_EVERY, Company


def commits(company: Company, calls: int, times: int) -> list[int]:
    """What each of so many commits of that size would have waited for."""
    waits = []
    for _ in range(times):
        waits.append(company.wanted())
        company.committed(calls)
    return waits


def test_a_lone_caller_waits_for_nobody() -> None:
    """One officer at a screen must not pay for others who are not there."""
    assert set(commits(Company(), 1, 1000)) == {1}


def test_a_few_callers_wait_once_in_many_commits_to_find_out() -> None:
    """Two callers gain nothing from waiting; finding that out must stay rare."""
    waits = commits(Company(), 2, 10 * TRIAL_EVERY)
    assert sum(wait > 1 for wait in waits) <= 10


def test_many_callers_wait_for_as_many_as_a_window_brought() -> None:
    """Where arrivals are dense one sync serves them all, and nobody waits on after they came."""
    company = Company()
    waits = commits(company, MIN_COMPANY * 5, 4)
    assert waits[0] == 1
    assert waits[1] > 1_000_000
    assert waits[2:] == [MIN_COMPANY * 5] * 2


def test_waiting_ends_at_once_when_the_company_is_gone() -> None:
    """When the rush is over the next lone caller waits once, not for seconds."""
    company = Company()
    commits(company, MIN_COMPANY * 5, 4)
    company.wanted()
    company.committed(1)
    assert set(commits(company, 1, 200)) == {1}


def test_one_thin_window_in_a_rush_does_not_end_the_waiting() -> None:
    """Arrivals come in bursts: a gateway under load that gave up waiting would sync for every record or two."""
    company = Company()
    commits(company, MIN_COMPANY * 5, 4)
    assert commits(company, 2, THIN_WINDOWS - 1)[-1] > 1
    assert commits(company, MIN_COMPANY * 5, 3)[1:] == [MIN_COMPANY * 5] * 2


def test_little_company_for_long_ends_the_waiting() -> None:
    """Two or three callers pay a window each and save next to nothing."""
    company = Company()
    commits(company, MIN_COMPANY * 5, 4)
    commits(company, 2, THIN_WINDOWS)
    assert company.wanted() == 1
