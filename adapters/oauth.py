"""Builds what access tokens are checked with, as the settings ask for it. Owns no part of it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from adapters.jwks import FileJwks, HttpJwks, JwksSource
from adapters.metrics import PrometheusObserver
from adapters.oauth_tokens import JoserfcTokenVerifier
from gateway.accounts.tokens import TokenRules, VerifiedTokens
from gateway.calls.credentials import TokenDesk
from gateway.ports import Clock
from gateway.settings_access import OauthSettings


async def open_token_desk(
    stack: AsyncExitStack, settings: OauthSettings, *, clock: Clock, observer: PrometheusObserver
) -> TokenDesk | None:
    """The desk, its keys kept fresh until the stack closes; None where no tokens are accepted.

    An issuer that does not answer delays a start by some seconds and prevents none.
    """
    if not settings.enabled:
        return None
    source: JwksSource = HttpJwks(settings.jwks_url) if settings.jwks_file is None else FileJwks(settings.jwks_file)
    verifier = JoserfcTokenVerifier(
        source=source,
        algorithms=settings.algorithms,
        refresh_seconds=settings.refresh_seconds,
        refetch_seconds=settings.refetch_seconds,
        max_stale_seconds=settings.max_stale_seconds,
        clock=clock,
        on_state=lambda up: observer.degraded("oauth", is_degraded=not up),
    )
    stack.push_async_callback(verifier.close)
    await verifier.start()
    following = asyncio.create_task(verifier.follow())
    stack.callback(following.cancel)
    rules = TokenRules(
        issuer=settings.issuer,
        audience=settings.audience,
        scope_prefix=settings.scope_prefix,
        leeway_seconds=settings.leeway_seconds,
    )
    return TokenDesk(verifier, rules, VerifiedTokens())
