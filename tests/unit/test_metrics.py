"""Metrics of several processes in shared files.

The library chooses once in a process where numbers live, so each process of these tests is one of its own.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.parser import text_string_to_metric_families

from adapters.metrics import LATENCY_BUCKETS, PrometheusObserver, configure, scrape

Numbers = dict[tuple[str, frozenset[tuple[str, str]]], float]

PREAMBLE = """
import os, sys
from pathlib import Path
from adapters.metrics import PrometheusObserver, configure
configure(sys.argv[1], Path(sys.argv[2]))
observer = PrometheusObserver(version="1.2.3")
def call(*, code="OK", reason="", organisation="01", seconds=0.001, source="cache"):
    observer.call_started()
    observer.call_finished(
        method="citizen.lookup", code=code, source=source, organisation=organisation, seconds=seconds, reason=reason
    )
"""


def run(name: str, directory: Path, code: str) -> None:
    """A process of that name that counts and ends."""
    subprocess.run([sys.executable, "-c", PREAMBLE + code, name, str(directory)], check=True, timeout=60)


def numbers(directory: Path) -> Numbers:
    """Every sample of a scrape."""
    body, content_type = scrape(directory)
    assert content_type.startswith("text/plain")
    return samples(body.decode())


def samples(text: str) -> Numbers:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


def test_processes_are_added_up(tmp_path: Path) -> None:
    """Prometheus asks one port; a caller's calls go to any worker."""
    run("worker-0", tmp_path, "call(); call(); observer.call_started()")
    run("worker-1", tmp_path, "call(code='PERMISSION_DENIED', source='none'); observer.call_started()")
    found = numbers(tmp_path)
    assert found[key("dancu_calls_total", method="citizen.lookup", code="OK", source="cache")] == 2
    assert found[key("dancu_calls_total", method="citizen.lookup", code="PERMISSION_DENIED", source="none")] == 1
    assert found[key("dancu_organisation_calls_total", organisation="01", method="citizen.lookup", code="OK")] == 2
    assert found[key("dancu_call_seconds_count", method="citizen.lookup")] == 3
    assert found[key("dancu_in_flight")] == 2


def test_a_restarted_worker_counts_on_and_its_gauges_begin_at_zero(tmp_path: Path) -> None:
    """Files by process id would pile up with every restart, and calls of a dead worker stay in flight for ever."""
    run("worker-0", tmp_path, "call(); observer.call_started(); observer.degraded('redis', is_degraded=True)")
    assert numbers(tmp_path)[key("dancu_in_flight")] == 1
    run("worker-0", tmp_path, "call()")
    found = numbers(tmp_path)
    assert found[key("dancu_calls_total", method="citizen.lookup", code="OK", source="cache")] == 2
    assert found[key("dancu_call_seconds_count", method="citizen.lookup")] == 2
    assert found[key("dancu_in_flight")] == 0
    assert key("dancu_degraded", dependency="redis") not in found
    assert {path.name.partition("_worker-0")[2] for path in tmp_path.iterdir()} == {".db"}


def test_everything_of_the_contract_is_there(tmp_path: Path) -> None:
    """Dashboards and alerts use these names and labels."""
    run(
        "worker-0",
        tmp_path,
        """
call(code="RESOURCE_EXHAUSTED", reason="RATE_LIMITED")
call(code="NOT_FOUND", reason="CITIZEN_NOT_FOUND")
call(code="UNAUTHENTICATED", reason="KEY_UNKNOWN", organisation="")
observer.cache_request(layer="l1", result="hit")
observer.cache_request(layer="l1", result="hit")
from adapters.upstream_metrics import UpstreamMetrics
upstream = UpstreamMetrics(degraded=observer.degraded)
upstream.request_ended("national_db", outcome="answered", seconds=0.004, questions=12)
upstream.retried("national_db")
upstream.refused("national_db", why="full", questions=3)
upstream.breaker("national_db", is_open=True)
upstream.concurrency("national_db", limit=4)
observer.degraded("redis", is_degraded=True)
observer.change_feed_lag(2.5)
observer.journal_committed(0.0003, 7)
""",
    )
    found = numbers(tmp_path)
    assert found[key("dancu_admission_refused_total", reason="RATE_LIMITED")] == 1
    assert found[key("dancu_logins_refused_total", reason="KEY_UNKNOWN")] == 1
    assert key("dancu_logins_refused_total", reason="CITIZEN_NOT_FOUND") not in found
    assert not any(("reason", "CITIZEN_NOT_FOUND") in labels for _, labels in found)
    assert not any(("organisation", "") in labels for _, labels in found)
    assert found[key("dancu_cache_requests_total", layer="l1", result="hit")] == 2
    assert found[key("dancu_upstream_seconds_count", registry="national_db", outcome="answered")] == 1
    assert found[key("dancu_upstream_questions_total", registry="national_db", outcome="answered")] == 12
    assert found[key("dancu_upstream_retries_total", registry="national_db")] == 1
    assert found[key("dancu_upstream_refused_total", registry="national_db", why="full")] == 3
    assert found[key("dancu_upstream_concurrency_limit", registry="national_db")] == 4
    assert found[key("dancu_upstream_breaker_open", registry="national_db")] == 1
    assert found[key("dancu_degraded", dependency="national_db")] == 1
    assert found[key("dancu_degraded", dependency="redis")] == 1
    assert found[key("dancu_change_feed_lag_seconds")] == 2.5
    assert found[key("dancu_journal_commit_seconds_count")] == 1
    assert found[key("dancu_journal_commit_seconds_bucket", le="0.0005")] == 1
    assert found[key("dancu_journal_commit_seconds_bucket", le="0.0002")] == 0
    assert found[key("dancu_journal_batch_records_sum")] == 7
    assert found[key("dancu_journal_batch_records_bucket", le="8.0")] == 1
    (build,) = [labels for name, labels in found if name == "dancu_build_info"]
    assert ("version", "1.2.3") in build


@pytest.mark.parametrize("kind", ["counter", "histogram"])
def test_a_damaged_file_costs_its_own_numbers_only(tmp_path: Path, kind: str) -> None:
    """A worker killed while it wrote must blind neither the scrape nor its successor."""
    run("worker-0", tmp_path, "call()")
    run("worker-1", tmp_path, "call()")
    damaged = tmp_path / f"{kind}_worker-1.db"
    damaged.write_bytes(b"\xff" * 200)
    (tmp_path / "counter_worker-2.db").write_bytes(b"")  # created and not yet sized
    found = numbers(tmp_path)
    assert found[key("dancu_calls_total", method="citizen.lookup", code="OK", source="cache")] >= 1
    assert found[key("dancu_in_flight")] == 0
    run("worker-1", tmp_path, "call()")
    found = numbers(tmp_path)
    assert found[key("dancu_calls_total", method="citizen.lookup", code="OK", source="cache")] in {2, 3}
    assert found[key("dancu_call_seconds_count", method="citizen.lookup")] in {2, 3}


def test_the_files_have_their_space_from_the_start(tmp_path: Path) -> None:
    """A mapped page that finds the disk full kills the process: metrics would take the data plane down."""
    run("worker-0", tmp_path, "call()")
    for path in tmp_path.iterdir():
        assert path.stat().st_blocks * 512 >= path.stat().st_size > 0, path.name
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_process_works_where_its_files_cannot_be_made(tmp_path: Path) -> None:
    """A worker restarted on a full disk must come up, refuse what it cannot record, and recover by itself."""
    code = """
import resource, sys
from pathlib import Path
import adapters.metrics as metrics
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
assert metrics.configure("worker-0", Path(sys.argv[1])) is False
observer = metrics.PrometheusObserver(version="1")
observer.call_started()
observer.call_finished(method="m", code="OK", source="cache", organisation="01", seconds=0.1, reason="RATE_LIMITED")
observer.journal_committed(0.1, 1)
"""
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=60, env=environment)
    assert scrape(tmp_path)[0] == b""


@pytest.mark.parametrize("name", ["worker_0", "", "../worker", "Worker-0"])
def test_a_name_that_the_files_cannot_carry_is_refused(tmp_path: Path, name: str) -> None:
    """The library splits file names at `_`, and would add up gauges of the wrong process."""
    with pytest.raises(ValueError, match="process name"):
        configure(name, tmp_path)


def test_nothing_counted_yet_is_an_empty_scrape(tmp_path: Path) -> None:
    """The control process may be asked before the first worker has started."""
    assert scrape(tmp_path / "not-there")[0] == b""


@pytest.mark.parametrize("seconds", [0.0, 0.0002, 0.00021, 0.9999, 1.0, 10.0, 10.1, 1000.0])
def test_durations_added_up_equal_durations_observed_one_by_one(seconds: float) -> None:
    """Calls are added up on the hot path by our own arithmetic; the library's is the reference."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    observer = PrometheusObserver(version="1", registry=ours)
    reference = Histogram("dancu_call_seconds", "…", ("method",), buckets=LATENCY_BUCKETS, registry=theirs)
    for _ in range(3):
        observer.call_started()
        observer.call_finished(method="m", code="OK", source="cache", organisation="", seconds=seconds, reason="")
        reference.labels("m").observe(seconds)
    for metric in theirs.collect():
        for sample in metric.samples:
            if sample.name.endswith("_created"):
                continue
            assert ours.get_sample_value(sample.name, sample.labels) == pytest.approx(sample.value), sample


async def test_on_an_event_loop_numbers_follow_by_themselves() -> None:
    """Nobody has to remember to flush; a call that still runs is seen too."""
    registry = CollectorRegistry()
    observer = PrometheusObserver(version="1", registry=registry)
    observer.call_started()
    async with asyncio.timeout(10):
        while registry.get_sample_value("dancu_in_flight") != 1:  # noqa: ASYNC110  a file sets no event
            await asyncio.sleep(0.02)
    observer.cache_request(layer="l2", result="miss")
    observer.call_finished(method="m", code="OK", source="cache", organisation="01", seconds=0.1, reason="")
    async with asyncio.timeout(10):
        while registry.get_sample_value("dancu_in_flight") != 0:  # noqa: ASYNC110  same
            await asyncio.sleep(0.02)
    assert registry.get_sample_value("dancu_cache_requests_total", {"layer": "l2", "result": "miss"}) == 1
    assert registry.get_sample_value("dancu_call_seconds_count", {"method": "m"}) == 1
