"""Step 2: who is asking.

A key reads `dck_<key id>_<secret>`. Secrets carry 256 random bits, so a keyed hash is enough to store them: there is
nothing to guess that a slow hash would protect.
"""

from __future__ import annotations

import hashlib
import hmac
import re

from gateway.accounts.model import AccountStatus, ApiKey
from gateway.errors import PermissionDeniedError, Reason, UnauthenticatedError
from gateway.model import Secret
from gateway.ports import Directory

_BEARER = re.compile(r"[Bb]earer +dck_([a-z0-9]{4,32})_([A-Za-z0-9]{20,86})")
_NOBODY = bytes(32)


def hash_of_secret(secret: str, *, pepper: Secret) -> bytes:
    """What is stored of a key: HMAC-SHA256 of its secret part."""
    return hmac.digest(pepper.reveal(), secret.encode(), hashlib.sha256)


def authenticate(authorization: str | None, *, directory: Directory, pepper: Secret, now: float) -> ApiKey:
    """The key behind an `authorization` header.

    Raises `UnauthenticatedError`: KEY_MISSING where there is no key to check, KEY_UNKNOWN equally (in text and in
    time) for an unknown identifier and for a wrong secret, KEY_EXPIRED only to who knows the secret.
    """
    header = _BEARER.fullmatch(authorization or "")
    if header is None:
        raise UnauthenticatedError(Reason.KEY_MISSING)
    key = directory.key(header[1])
    hashed = hash_of_secret(header[2], pepper=pepper)
    if not hmac.compare_digest(hashed, _NOBODY if key is None else key.secret_hash) or key is None:
        raise UnauthenticatedError(Reason.KEY_UNKNOWN)
    if key.not_after is not None and now >= key.not_after:
        raise UnauthenticatedError(Reason.KEY_EXPIRED)
    return key


def require_active(key: ApiKey, *, now: float) -> None:
    """Raise `PermissionDeniedError` while the account or its organisation is suspended, and once the account ended."""
    if key.account.status is not AccountStatus.ACTIVE:
        raise PermissionDeniedError(Reason.ACCOUNT_SUSPENDED)
    if key.account.not_after is not None and now >= key.account.not_after:
        raise PermissionDeniedError(Reason.ACCOUNT_EXPIRED)
