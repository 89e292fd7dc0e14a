"""P3 under random interleavings, on the real scripts: after a change is acknowledged nobody sees an older record.

Two workers and one follower share a Valkey. Questions to the national database are begun and answered in any order,
with changes, withdrawals, lost logs, flushed servers and deaf moments in between.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from adapters.redis_changes import LOG
from adapters.redis_lane import RedisLane
from dancu.citizen.v1 import citizen_pb2
from gateway.citizens.changes import Change
from gateway.citizens.numbers import personal
from gateway.citizens.ports import NotLeadingError
from gateway.model import CitizenRecord
from tests.fakes.caches import CachingWorker, invalidations
from tests.fakes.clock import FakeClock
from tests.fakes.valkey import running_valkey

NUMBERS = [f"09709000000{one}" for one in range(3)]
workers = st.integers(0, 1)
numbers = st.sampled_from(NUMBERS)


@dataclass(frozen=True)
class Question:
    """A question under way: whose, with the record as the national database had it when it was asked."""

    worker: int
    ticket: int
    record: CitizenRecord


class Interleavings(RuleBasedStateMachine):
    """What may happen, and what must hold."""

    questions = Bundle("questions")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.running = running_valkey()
        server = self.run(self.running.__aenter__())
        self.lane = RedisLane.connect(server.url, timeout_seconds=20)
        self.clock = FakeClock(float(int(time.time())) - 3600)
        self.workers = [CachingWorker(self.lane, self.clock) for _ in range(2)]
        self.leader = invalidations(self.lane, self.clock)
        self.cursor = 0
        # The truth: the version of each number, negative where it was withdrawn.
        self.versions = dict.fromkeys(NUMBERS, 1)
        self.unsaid: list[Change] = []
        self.acknowledged = dict.fromkeys(NUMBERS, 0)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    @initialize()
    def begin(self) -> None:
        self.run(self.leader.lead())
        self.run(self.leader.start_over("0"))
        self.hear()

    @rule(target=questions, worker=workers, number=numbers)
    def ask(self, worker: int, number: str) -> Question:
        version = self.versions[number]
        citizen = citizen_pb2.Citizen(personal_number=number) if version > 0 else None
        now = self.clock.now()
        record = CitizenRecord(personal(number), citizen, max(version, 0), now, now)
        return Question(worker, self.workers[worker].cache.ticket(), record)

    @rule(question=consumes(questions))
    def answer(self, question: Question) -> None:
        self.run(self.workers[question.worker].cache.put(question.record, ticket=question.ticket))

    @rule(number=numbers, withdrawn=st.booleans())
    def change(self, number: str, withdrawn: bool) -> None:  # noqa: FBT001  hypothesis calls it by name
        version = abs(self.versions[number]) + 1
        self.versions[number] = -version if withdrawn else version
        self.unsaid.append(Change(personal(number), version, withdrawn, 0))

    @rule()
    def acknowledge(self) -> None:
        """The follower tells everything, and both workers hear it."""
        try:
            self.run(self.leader.apply(self.unsaid, after=str(self.cursor), cursor=str(self.cursor + 1)))
            self.cursor += 1
        except NotLeadingError:
            assert self.run(self.leader.lead())
            assert self.run(self.leader.cursor()) is None
            self.cursor += 1
            self.run(self.leader.start_over(str(self.cursor)))
        self.hear()
        self.unsaid.clear()
        self.acknowledged = dict(self.versions)

    @rule()
    def flush(self) -> None:
        self.run(_command(self.lane, "FLUSHALL"))

    @rule()
    def lose_the_log(self) -> None:
        self.run(_command(self.lane, "XTRIM", LOG, "MAXLEN", 0))

    @rule(worker=workers)
    def one_hears(self, worker: int) -> None:
        self.run(self.workers[worker].hear())

    @rule()
    def time_passes(self) -> None:
        self.clock.advance(1)

    @invariant()
    def nobody_sees_an_older_record_or_anothers(self) -> None:
        for worker in self.workers:
            for number in NUMBERS:
                self.check(number, self.run(worker.cache.get(personal(number), not_before=0)))
                self.check(number, self.run(worker.l2.get(personal(number), not_before=0)))

    def check(self, number: str, copy: CitizenRecord | None) -> None:
        if copy is None:
            return
        assert copy.number.digits == number
        acknowledged = self.acknowledged[number]
        if copy.citizen is None:
            # "Nobody" is right after a withdrawal that is acknowledged, or one that is still to be told.
            assert self.was_withdrawn(number)
            return
        assert copy.citizen.personal_number == number
        assert copy.version > -acknowledged if acknowledged < 0 else copy.version >= acknowledged

    def was_withdrawn(self, number: str) -> bool:
        unsaid = [change for change in self.unsaid if change.number.digits == number and change.withdrawn]
        return self.acknowledged[number] < 0 or bool(unsaid)

    def hear(self) -> None:
        for worker in self.workers:
            self.run(worker.hear())

    def teardown(self) -> None:
        self.run(self.lane.close())
        self.run(self.running.__aexit__(None, None, None))
        self.loop.close()


async def _command(lane: RedisLane, *command: object) -> None:
    await lane.execute(*command)


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(
    max_examples=30, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
