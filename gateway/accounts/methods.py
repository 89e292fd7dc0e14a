"""Every RPC on accounts, ready for a pipeline: those of the admin port, and those of the public one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial

from gateway.accounts.bindings import Bindings
from gateway.accounts.changes import Desk
from gateway.accounts.credentials import Credentials
from gateway.accounts.keys import KeyMaker
from gateway.accounts.management import Management
from gateway.accounts.ports import AccountStore, Intents
from gateway.accounts.requests import Asking, Deciding
from gateway.accounts.whole_tree import WholeTree
from gateway.calls.inquiry import Method
from gateway.ports import Clock


def account_methods(
    *,
    store: AccountStore,
    keys: KeyMaker,
    intents: Intents,
    clock: Clock,
    scopes: Mapping[str, str],
    default_misses_per_hour: int | None = None,
) -> dict[str, Method]:
    """`AccountService`, for the admin port.

    `scopes` of the public methods, by full name, and `default_misses_per_hour` are for `ExplainAccess`.
    """
    desk = Desk(store=store, intents=intents, clock=clock)
    methods = [
        *Management(desk=desk, keys=keys, clock=clock).methods(),
        *Credentials(desk=desk, keys=keys, clock=clock).methods(),
        *Bindings(desk=desk, clock=clock).methods(),
        *Deciding(desk=desk, clock=clock).methods(),
        *WholeTree(desk=desk, clock=clock, scopes=scopes, default_misses_per_hour=default_misses_per_hour).methods(),
    ]
    return {method.name: method for method in methods}


def account_request_methods(
    *, store: AccountStore, keys: KeyMaker, intents: Intents, clock: Clock, new_id: Callable[[], str] | None = None
) -> dict[str, Method]:
    """`AccountRequestService`, for the public port."""
    desk = Desk(store=store, intents=intents, clock=clock)
    asking = Asking(desk=desk, keys=keys, clock=clock, new_id=new_id or partial(_random_id, 6))
    return {method.name: method for method in asking.methods()}


def _random_id(size: int) -> str:
    return os.urandom(size).hex()
