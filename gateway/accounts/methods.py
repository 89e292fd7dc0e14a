"""Every RPC on accounts, ready for a pipeline: those of the admin port, and those of the public one."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from functools import partial

from gateway.accounts.bindings import Bindings
from gateway.accounts.changes import Desk
from gateway.accounts.credentials import Credentials
from gateway.accounts.keys import KeyMaker
from gateway.accounts.management import Management
from gateway.accounts.ports import AccountStore, Intents
from gateway.accounts.requests import ASK, Asking, Deciding
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

    `scopes`: of all public methods, by full name; rules of accounts may speak of no others.
    `default_misses_per_hour` is for `ExplainAccess`.
    """
    desk = Desk(store=store, intents=intents, clock=clock)
    methods = [
        *Management(desk=desk, keys=keys, clock=clock, scopes=frozenset(scopes.values())).methods(),
        *Credentials(desk=desk, keys=keys, clock=clock).methods(),
        *Bindings(desk=desk, clock=clock).methods(),
        *Deciding(desk=desk, clock=clock).methods(),
        *WholeTree(desk=desk, clock=clock, scopes=scopes, default_misses_per_hour=default_misses_per_hour).methods(),
    ]
    return {method.name: method for method in methods}


def account_request_methods(
    *,
    store: AccountStore,
    keys: KeyMaker,
    intents: Intents,
    clock: Clock,
    scopes: Collection[str],
    new_id: Callable[[], str] | None = None,
) -> dict[str, Method]:
    """`AccountRequestService`, for the public port. `scopes`: of all other methods of that port."""
    desk = Desk(store=store, intents=intents, clock=clock)
    new_id = new_id or partial(_random_id, 6)
    asking = Asking(desk=desk, keys=keys, clock=clock, scopes={*scopes, ASK}, new_id=new_id)
    return {method.name: method for method in asking.methods()}


def _random_id(size: int) -> str:
    return os.urandom(size).hex()
