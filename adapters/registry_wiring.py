"""Connects the registries of an installation, each with its own breaker, limits and connections.

A part of the composition root (`adapters.wiring`), and the only other module that knows both sides.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack

from adapters.memory_registry_cache import MemoryRegistryCache
from adapters.metrics import PrometheusObserver
from adapters.registries import RecordReader, reader_of
from adapters.registry_http import HttpRegistry
from gateway.calls.inquiry import Method
from gateway.citizens.records import Records
from gateway.model import Secret
from gateway.ports import Clock
from gateway.registries.guard import GuardedRegistry
from gateway.registries.kinds import REGISTRIES, RegistryKind
from gateway.registries.methods import registry_methods
from gateway.registries.records import RegistryRecords
from gateway.settings import RegistriesSettings, RegistryEndpoint, Settings


def open_registries(
    stack: AsyncExitStack,
    settings: Settings,
    *,
    people: Records,
    clock: Clock,
    observer: PrometheusObserver,
    kinds: tuple[RegistryKind, ...] = REGISTRIES,
    reader_of: Callable[[RegistryKind], RecordReader] = reader_of,
) -> dict[str, Method]:
    """The methods of every registry that the settings connect; connections close with `stack`."""
    cache = MemoryRegistryCache(clock=clock, entries=settings.registries.cache_entries)
    connected = {}
    for kind in kinds:
        endpoint = _endpoint(settings.registries, kind)
        if endpoint is None:
            continue
        registry = HttpRegistry.open(
            kind=kind,
            reader=reader_of(kind),
            base_url=endpoint.url,
            token=_token(endpoint),
            clock=clock,
            observer=observer,
        )
        stack.push_async_callback(registry.close)
        connected[kind] = RegistryRecords(
            kind=kind,
            registry=GuardedRegistry(registry, kind=kind, clock=clock, observer=observer),
            cache=cache,
            clock=clock,
            timeout_seconds=settings.registries.timeout_seconds,
        )
    return registry_methods(connected, people=people, clock=clock, allow_test_numbers=settings.numbers.allow_test)


def _endpoint(settings: RegistriesSettings, kind: RegistryKind) -> RegistryEndpoint | None:
    own = settings.each.get(kind.name)
    if own is not None or not settings.url:
        return own
    return RegistryEndpoint(url=settings.url, token_file=settings.token_file)


def _token(endpoint: RegistryEndpoint) -> Secret:
    return Secret(endpoint.token_file.read_bytes().strip() if endpoint.token_file is not None else b"")
