"""Starts the load (`bench.caller`) as a process and takes its outcome."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict

from bench.caller import PATIENCE_SECONDS, Outcome, Plan
from bench.proc import MeasurementError


def outcome_of(plan: Plan) -> Outcome:
    """Carry out a plan in a process of its own. Raises `MeasurementError` where that fails."""
    told = json.dumps(asdict(plan) | {"messages": str(plan.messages)})
    limit = plan.warm_up_seconds + plan.seconds + 3 * PATIENCE_SECONDS
    try:
        done = subprocess.run(
            [sys.executable, "-m", "bench.caller"],
            input=told,
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise MeasurementError(f"the load did not end within {limit:.0f} s") from error
    if done.returncode:
        raise MeasurementError(f"the load failed: {done.stderr[-1000:]}")
    return Outcome(**json.loads(done.stdout))
