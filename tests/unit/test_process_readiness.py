"""What `ready` means, and what asking for it costs the dependencies."""

from __future__ import annotations

import asyncio

from adapters.processes.control_health import DependencyGoneError, Readiness
from tests.fakes.clock import FakeClock


class Dependency:
    """A check that answers as told and counts how often it was asked."""

    def __init__(
        self, name: str, *, required: bool = True, fails: Exception | None = None, hangs: bool = False
    ) -> None:
        self.name = name
        self.required = required
        self.fails = fails
        self.hangs = hangs
        self.asked = 0
        self.closed = False

    async def look(self) -> str:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        if self.fails is not None:
            raise self.fails
        return "fine"

    async def close(self) -> None:
        self.closed = True


GONE = DependencyGoneError("not reachable", cause="10.0.0.1 refused")


async def test_it_is_ready_when_what_callers_need_is_there() -> None:
    """A load balancer sends callers by this answer."""
    readiness = Readiness(checks=[Dependency("workers"), Dependency("national_db", required=False, fails=GONE)])
    report = await readiness.report()
    assert report.ready
    assert report.degraded == ("national_db",)


async def test_it_is_not_ready_without_what_callers_need() -> None:
    """Callers sent here would be refused."""
    readiness = Readiness(checks=[Dependency("workers", fails=GONE), Dependency("redis")])
    report = await readiness.report()
    assert not report.ready
    assert report.degraded == ("workers",)


async def test_a_dependency_that_hangs_counts_as_gone_and_delays_no_other() -> None:
    """A probe that waits for ever is killed by the prober, and then nobody learns which dependency it was."""
    readiness = Readiness(checks=[Dependency("redis", hangs=True), Dependency("workers")], timeout_seconds=0.05)
    async with asyncio.timeout(10):
        report = await readiness.report()
    assert [(finding.name, finding.ok, finding.detail) for finding in report.findings] == [
        ("redis", False, "no answer in time"),
        ("workers", True, "fine"),
    ]


async def test_addresses_and_driver_texts_stay_in_the_log() -> None:
    """The page may be open to more people than the log."""
    broken = RuntimeError("password=hunter2")
    readiness = Readiness(checks=[Dependency("workers", fails=GONE), Dependency("redis", fails=broken)])
    details = [finding.detail for finding in (await readiness.report()).findings]
    assert details == ["not reachable", "the check itself failed"]


async def test_many_who_ask_at_once_cost_one_look_a_second() -> None:
    """A page that anybody may reload must not become load on the workers."""
    clock = FakeClock()
    dependency = Dependency("workers")
    readiness = Readiness(checks=[dependency], monotonic=clock.monotonic)
    await asyncio.gather(*(readiness.report() for _ in range(50)))
    assert dependency.asked == 1
    clock.advance(0.9)
    await readiness.report()
    assert dependency.asked == 1
    clock.advance(0.2)
    dependency.fails = GONE
    assert not (await readiness.report()).ready
    assert dependency.asked == 2


async def test_closing_lets_go_of_every_check() -> None:
    """Connections left open keep a process from ending."""
    checks = [Dependency("workers"), Dependency("redis")]
    await Readiness(checks=checks).close()
    assert all(check.closed for check in checks)
