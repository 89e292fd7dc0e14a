"""Step 2: who is asking.

    shown         key, certificate, access token: what the call carries
    claim         whom each names, read without any work            unknown ones count as strangers
    bounded       failed logins of this address and claim           too many → RESOURCE_EXHAUSTED, nothing is checked
    prove         hash, binding, signature                          not so → UNAUTHENTICATED, guesses are counted
    agree         all that was shown opens one account              else CERTIFICATE_MISMATCH

A kind of credential is one class of `gateway.calls.credentials`; this file knows none of them by more than its name.
"""

from __future__ import annotations

from gateway.accounts.failed_logins import FailedLogins
from gateway.accounts.model import Account, AccountStatus
from gateway.calls.credentials import (
    Caller,
    CertificateCredential,
    Credential,
    KeyCredential,
    TokenCredential,
    TokenDesk,
    key_in,
    token_in,
)
from gateway.errors import LimitExceededError, PermissionDeniedError, Reason, UnauthenticatedError
from gateway.keyed_hash import KeyedHash
from gateway.model import Call, Secret
from gateway.ports import Directory

COUNTED = frozenset({Reason.KEY_UNKNOWN, Reason.TOKEN_INVALID, Reason.TOKEN_EXPIRED})
"""Failures that are guesses, or cost a signature each time. Who proved to hold what opens nothing any more (a revoked
key, a removed certificate) is told so as often as it asks: there is nothing to guess, and its owner must read why."""


class Authenticator:
    """Finds the caller behind a call."""

    def __init__(
        self, *, directory: Directory, pepper: Secret, failures: FailedLogins, tokens: TokenDesk | None = None
    ) -> None:
        """`pepper` is the key of the keyed hash of secrets; without `tokens` no access token is accepted."""
        self._directory = directory
        self._hash_of_secrets = KeyedHash(pepper)
        self._failures = failures
        self._tokens = tokens

    async def __call__(self, call: Call, *, now: float, monotonic: float) -> Caller:
        """The caller, proven by everything that was shown. `now` in seconds since the epoch.

        Raises `UnauthenticatedError`; `LimitExceededError` (TOO_MANY_FAILED_LOGINS) before any work; and
        `UnavailableError` (TOKEN_KEYS_UNAVAILABLE).
        """
        caller: Caller | None = None
        for credential in self._shown(call):
            wait = self._failures.wait_seconds(call.peer, credential, now=monotonic)
            if wait:
                raise LimitExceededError(Reason.TOO_MANY_FAILED_LOGINS, retry_after_seconds=wait)
            try:
                proven = await credential.prove(now=now)
            except UnauthenticatedError as refusal:
                if refusal.reason in COUNTED:
                    self._failures.count(call.peer, credential, now=monotonic)
                raise
            if caller is not None and proven.account.name != caller.account.name:
                raise UnauthenticatedError(Reason.CERTIFICATE_MISMATCH)
            caller = proven
        if caller is None:
            raise UnauthenticatedError(Reason.KEY_MISSING)
        self._directory.used(caller.credential_id, at=now)
        return caller

    def _shown(self, call: Call) -> list[Credential]:
        """What the call carries; the header, which says more, last."""
        shown: list[Credential] = []
        if call.certificate is not None:
            shown.append(CertificateCredential(call.certificate, self._directory))
        authorization = call.metadata.get("authorization")
        if authorization is None:
            return shown
        key = key_in(authorization)
        if key is not None:
            shown.append(KeyCredential(key[1], key[2], self._directory, self._hash_of_secrets))
            return shown
        token = token_in(authorization)
        if token is None or self._tokens is None:
            raise UnauthenticatedError(Reason.KEY_MISSING)
        shown.append(TokenCredential(token, call.certificate, self._directory, self._tokens))
        return shown


def require_active(account: Account, *, now: float) -> None:
    """Raise `PermissionDeniedError` while the account or its organisation is suspended, and once the account ended."""
    if account.status is not AccountStatus.ACTIVE:
        raise PermissionDeniedError(Reason.ACCOUNT_SUSPENDED)
    if account.not_after is not None and now >= account.not_after:
        raise PermissionDeniedError(Reason.ACCOUNT_EXPIRED)
