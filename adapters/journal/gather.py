"""How many callers a commit waits for before it pays for a sync.

Pure policy, in calls of `append`, without a clock. A sync costs the same for one record as for a hundred, so waiting
saves work where callers are many, and only costs time where they are few. Neither the rate of calls nor the size of
the last batch tells the two apart (one fast caller has a rate, two slow ones share batches), so it is tried out: once
in `TRIAL_EVERY` commits that had company, one commit waits the whole window and counts who came. If `MIN_COMPANY` or
more did, the commits after it wait for that many, at most one window; else nobody waits until the next trial.

Arrivals come in bursts, so one thin window proves little: the promise follows what came, up and down, and waiting ends
after `THIN_WINDOWS` in a row that brought less than `MIN_COMPANY`. A window that nobody joined ends it at once: its
caller is alone.
"""

from __future__ import annotations

MIN_COMPANY = 4
"""Calls a full window must bring for waiting to be worth it."""
TRIAL_EVERY = 64
"""Commits from one trial to the next."""
THIN_WINDOWS = 4
"""Windows in a row with little company after which nobody waits."""

_WHOLE_WINDOW = 1 << 62


class Company:
    """Learns from each commit how many calls the next one waits for."""

    def __init__(self) -> None:
        self._promised = 0
        self._thin = 0
        self._until_trial = 0
        self._had_company = False
        self._on_trial = False

    def wanted(self) -> int:
        """How many queued calls the next commit waits for; 1 is: go at once."""
        self._on_trial = self._had_company and self._until_trial <= 0
        if self._on_trial:
            return _WHOLE_WINDOW
        return max(self._promised, 1)

    def committed(self, calls: int) -> None:
        """Take note of what the commit begun with `wanted` held when it was written."""
        self._had_company = calls > 1
        if self._on_trial:
            self._until_trial = TRIAL_EVERY
            self._promised = calls if calls >= MIN_COMPANY else 0
            self._thin = 0
            return
        self._until_trial -= 1
        if not self._promised:
            return
        self._thin = 0 if calls >= MIN_COMPANY else self._thin + 1
        self._promised = max(calls, MIN_COMPANY) if calls > 1 and self._thin < THIN_WINDOWS else 0
