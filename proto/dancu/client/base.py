"""What both clients share: their configuration, and the course of one call's attempts.

Refuses to know whether a call blocks a thread or awaits.
"""

from __future__ import annotations

import itertools
import os
import random
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from dancu.client.connection import Connection, Token, connection
from dancu.client.refusals import Refused
from dancu.client.retries import RetryBudget, RetryPolicy

DEFAULT_TIMEOUT_SECONDS = 5.0

Channel = TypeVar("Channel")


class ClientBase:
    """Configuration of a client. Every argument is optional; see `dancu.client.connection` for the environment."""

    def __init__(
        self,
        *,
        target: str | None = None,
        key: str | None = None,
        token: Token | None = None,
        tls: bool | None = None,
        tls_ca: Path | str | None = None,
        tls_cert: Path | str | None = None,
        tls_key: Path | str | None = None,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        retry: RetryPolicy | None = None,
        channels: int = 1,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Nothing connects before the first call.

        Args:
            target: gRPC target, else `DANCU_TARGET`, else `127.0.0.1:50051`.
            key: the account's key, else `DANCU_API_KEY`. Without one the gateway answers KEY_MISSING.
            token: an OAuth 2.0 access token instead of a key, else `DANCU_TOKEN`; or a function that gives one, called
                for each call and each attempt, from whichever thread calls.
            tls: True or False decides; None, the default, follows `DANCU_TLS` and the target.
            tls_ca: PEM file of the authorities to trust, else `DANCU_TLS_CA`.
            tls_cert: PEM file of the client's certificate, else `DANCU_TLS_CERT`.
            tls_key: PEM file of that certificate's key, else `DANCU_TLS_KEY`.
            timeout_seconds: deadline of a call, all its attempts and pauses included.
            retry: which refusals are tried again; the default cures what UNAVAILABLE can be cured of.
            channels: connections, used in turn. One carries some thousand calls a second; each goes to one worker.
            environment: instead of the process's own.

        Raises:
            ConfigurationError: target, key or TLS cannot be used.
            ValueError: `channels` or `timeout_seconds` is not positive.
        """
        if channels < 1:
            raise ValueError("channels: at least 1")
        if not timeout_seconds > 0:
            raise ValueError("timeout_seconds: more than 0")
        self._connection = connection(
            target=target,
            key=key,
            token=token,
            tls=tls,
            tls_ca=tls_ca,
            tls_cert=tls_cert,
            tls_key=tls_key,
            environment=os.environ if environment is None else environment,
        )
        self._timeout_seconds = timeout_seconds
        self._retry = retry or RetryPolicy()
        self._budget = RetryBudget()
        self._channel_count = channels
        self._credentials = self._connection.credentials()
        self._opening = threading.Lock()
        self._turns = itertools.count()
        self._closed = False

    @property
    def target(self) -> str:
        """Where calls go."""
        return self._connection.target

    @property
    def connection(self) -> Connection:
        """Target, key and TLS in force."""
        return self._connection

    def _attempts(self, timeout_seconds: float | None) -> Attempts:
        if self._closed:
            raise RuntimeError("the client is closed")
        timeout = self._timeout_seconds if timeout_seconds is None else timeout_seconds
        return Attempts(policy=self._retry, budget=self._budget, timeout_seconds=timeout)

    def _turn(self, channels: Sequence[Channel]) -> Channel:
        """The channel whose turn it is."""
        return channels[next(self._turns) % len(channels)]


class Attempts:
    """The attempts of one call: how much time is left, and whether another one follows a refusal."""

    def __init__(self, *, policy: RetryPolicy, budget: RetryBudget, timeout_seconds: float) -> None:
        self._policy = policy
        self._budget = budget
        self._deadline = time.monotonic() + timeout_seconds
        self._made = 0

    def next_timeout(self) -> float:
        """Begin an attempt; returns the seconds it may take."""
        self._made += 1
        return max(0.0, self._deadline - time.monotonic())

    def answered(self) -> None:
        """The attempt was answered."""
        self._budget.answered()

    def pause_after(self, refused: Refused) -> float:
        """Seconds to wait before the next attempt; raises `refused` itself where there is none."""
        pause = self._policy.pause(
            refused,
            attempt=self._made,
            remaining_seconds=self._deadline - time.monotonic(),
            chance=random.random(),  # noqa: S311  spreads callers apart; nothing secret
        )
        if pause is None or not self._budget.may_retry():
            raise refused
        return pause
