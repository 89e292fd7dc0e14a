"""The settings of every process: `dancu.toml`, overridden by `DANCU_SECTION__KEY` in the environment.

Owns names, defaults and what breaks when a value is wrong. Unknown keys are errors, and all mistakes are told at once.
"""

from __future__ import annotations

import os
import re
import socket
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as UnreadableVariableError

from gateway.settings_access import AdminSettings, LoginSettings, MutualTlsSettings, OauthSettings
from gateway.settings_base import ListenSettings, Section, both_or_neither
from gateway.upstream.policy import BreakerPolicy, UpstreamPolicy

CLIENT_VARIABLES = frozenset(
    f"DANCU_{name}"
    for name in (
        *("TARGET", "API_KEY", "BENCH_KEY", "ADMIN_KEY", "ADMIN_TARGET", "CONFIG"),
        *("TOKEN", "TLS", "TLS_CA", "TLS_CERT", "TLS_KEY"),
        *("ADMIN_TLS", "ADMIN_TLS_CA", "ADMIN_TLS_CERT", "ADMIN_TLS_KEY"),
    )
)
"""Variables of the same prefix that belong to the client library and the command line, not to the settings."""


class GrpcSettings(Section):
    """The public port."""

    host: str = "127.0.0.1"
    """Address to listen on. The default reaches this machine only; open it together with TLS or behind a proxy."""
    port: int = Field(default=50051, ge=0, le=65535)
    """0 takes a free one, for tests."""
    max_request_bytes: int = Field(default=1_048_576, ge=4096, le=64 * 1_048_576)
    """Larger requests are refused with RESOURCE_EXHAUSTED. Too small refuses bulk calls."""
    reflection: bool = False
    """Whether strangers may ask which methods exist. `dancu up` turns it on."""
    max_connection_age_seconds: int = Field(default=600, ge=1)
    """Connections are asked to reconnect after this time, because SO_REUSEPORT balances connections, not calls."""
    transport: Literal["aio", "lean"] = "aio"
    """What speaks HTTP/2 on this port: gRPC's own server, or the gateway's, which costs a third of the CPU. `lean` has
    met fewer clients; should one fail with it, go back to `aio`. A port with TLS is `aio` whatever this says."""
    drain_seconds: float = Field(default=10.0, gt=0, le=300)
    """How long calls under way may take to finish after SIGTERM; the rest is cut."""
    tls_cert_file: Path | None = None
    """PEM file of the server's certificate with its chain. Without it keys and citizens cross the network in clear."""
    tls_key_file: Path | None = None
    """PEM file of its key, mode 0600. Both are read again when they change; a pair that does not match is passed
    over."""

    _tls_is_whole = model_validator(mode="after")(both_or_neither("tls_cert_file", "tls_key_file"))


class WorkerSettings(Section):
    """The worker processes of this machine."""

    count: int = Field(default=2, ge=1, le=256)
    """How many. One per core serves best."""
    max_in_flight: int = Field(default=2_000, ge=1)
    """Calls under way in one worker beyond which it answers OVERLOADED rather than growing a queue; bulk calls from
    half of it."""
    total: int = Field(default=0, ge=0, le=65_536)
    """Workers of all machines together; 0: those of this one. What each may use of a limit while Redis is gone is
    divided by it: too small lets callers pass their limits then, too large holds them shorter than needed."""
    uvloop: bool = True
    """The faster event loop; off falls back to asyncio's own."""


class AdmissionSettings(Section):
    """Limits of accounts that state none."""

    default_misses_per_hour: int = Field(default=1_000, ge=0, le=1_000_000_000)
    """Citizens not found or not matching in an hour that an account may ask for where its limits say nothing of misses;
    0: no limit. Too small stops a busy counter that mistypes; too large lets a stolen key try numbers all night."""


class RedisSettings(Section):
    """Redis or Valkey, for the shared cache and limits."""

    url: str = Field(default="", repr=False)
    """`redis:`, `rediss:`, `unix://…`. Empty: the embedded Valkey of `dancu up`."""
    timeout_seconds: float = Field(default=0.25, gt=0, le=5)
    """After this an answer is not waited for and the gateway goes on without. Too small makes a busy one look dead."""
    cluster: bool = False
    """Whether `url` names a node of a Redis Cluster; any node will do, the others are learnt from it."""
    max_memory_megabytes: int = Field(default=512, ge=16)
    """Memory of the embedded Valkey. Beyond it what was used least is evicted: cached copies, and counters at rest."""


class DatabaseSettings(Section):
    """The ledger and the accounts, in SQL."""

    url: str = Field(default="", repr=False)
    """SQLAlchemy address such as `postgresql+asyncpg://…`. Empty: `ledger.sqlite` in the data directory."""


class UpstreamSettings(Section):
    """How one worker treats a system that others need too. See docs/upstream.md."""

    timeout_seconds: float = Field(default=3.0, gt=0, le=60)
    """Longest wait for an answer. A caller's earlier deadline wins. Too small takes a slow system for a dead one and
    opens the breaker; too large ties callers to a system that hangs."""
    max_connections: int = Field(default=32, ge=1, le=10_000)
    """Requests under way at most; each may carry many questions. Times the number of workers this is what the upstream
    must bear: too large buries it for everybody."""
    min_connections: int = Field(default=2, ge=1, le=1_000)
    """The adaptive limit falls to this while the upstream is slow or fails. Too large keeps burying it."""
    max_waiting: int = Field(default=5_000, ge=1, le=1_000_000)
    """Questions that may wait for their turn; more are refused at once with when to come back. Too large makes callers
    wait in vain, too small refuses bulk calls."""
    gather_milliseconds: float = Field(default=10.0, ge=0, le=50)
    """How long a question may wait for company while requests follow each other closely; one alone waits for nobody.
    Longer saves requests and adds latency."""
    attempts: int = Field(default=3, ge=1, le=5)
    """How often a request is sent at most when the connection breaks or the upstream says that it is unwell."""
    retry_percent: float = Field(default=10, ge=0, le=50)
    """Retries per hundred requests. More helps against rare hiccups, and adds to the load on a system that is down."""
    breaker_failure_percent: float = Field(default=50, gt=0, le=100)
    """The breaker opens when so many of the recent requests failed. Too small lets hiccups cut everybody off."""
    breaker_window_seconds: float = Field(default=10.0, ge=1, le=600)
    """What counts as recent. Longer opens later. Stretched where time-outs are so long that too few requests would end
    in it for a system that hangs to be seen."""
    breaker_min_requests: int = Field(default=5, ge=1, le=10_000)
    """Fewer recent requests (each may carry many questions) prove nothing. Too large never opens where few ask."""
    breaker_open_seconds: float = Field(default=5.0, ge=0.1, le=300)
    """About how long it stays open before it tries again. Too long keeps an outage going after its end."""

    @property
    def policy(self) -> UpstreamPolicy:
        """The same, as the client of the upstream takes it."""
        return UpstreamPolicy(
            timeout_seconds=self.timeout_seconds,
            min_connections=self.min_connections,
            max_connections=self.max_connections,
            max_waiting=self.max_waiting,
            gather_seconds=self.gather_milliseconds / 1_000,
            attempts=self.attempts,
            retry_share=self.retry_percent / 100,
            breaker=BreakerPolicy(
                window_seconds=self.breaker_window_seconds,
                min_requests=self.breaker_min_requests,
                failure_ratio=self.breaker_failure_percent / 100,
                open_seconds=self.breaker_open_seconds,
            ),
        )


class NationalDatabaseSettings(UpstreamSettings):
    """The national population database."""

    url: str = ""
    """Base address. Empty: the bundled mock of `dancu up`."""
    token_file: Path | None = None
    """File with the bearer token, mode 0600."""
    change_feed: bool = True
    """Whether the national database tells changes. Off where it does not: copies then live by their age alone."""


class RegistryEndpoint(Section):
    """Where one specialised registry answers."""

    url: str
    """Base address; `/v1/registries/<registry>/batch` is asked below it."""
    token_file: Path | None = None
    """File with the bearer token, mode 0600."""


class RegistriesSettings(UpstreamSettings):
    """The specialised registries: social insurance, civil status and the others of `gateway.registries.kinds`.

    What it says of an upstream holds for each of them on its own.
    """

    url: str = ""
    """Base address of one system that serves all of them. Empty: the bundled mock of `dancu up`; without it only the
    registries in `each` are served, and the others' methods do not exist."""
    token_file: Path | None = None
    """File with the bearer token, mode 0600."""
    each: dict[str, RegistryEndpoint] = Field(default_factory=dict)
    """Registries with a system of their own, by name: `[registries.each.civil_status]`."""
    cache_entries: int = Field(default=20_000, ge=0)
    """Copies of their records kept in each worker's memory, about 3 KB each."""

    @field_validator("each")
    @classmethod
    def _each_is_known(cls, value: dict[str, RegistryEndpoint]) -> dict[str, RegistryEndpoint]:
        if value:
            # Loads the contract, which a process without such settings need not.
            from gateway.registries.kinds import REGISTRIES

            unknown = sorted(set(value) - {kind.name for kind in REGISTRIES})
            if unknown:
                raise ValueError(f"unknown registry: {', '.join(unknown)}")
        return value


class MockSettings(Section):
    """The bundled mock of the national database."""

    enabled: bool = True
    """Off in production: `dancu up --no-mock`."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=8090, ge=0, le=65535)
    """0 takes a free one."""
    population: int = Field(default=100_000_000, ge=1, le=200_000_000)
    """How many people live in it. Costs neither memory nor time."""
    seed: int = Field(default=1, ge=0)
    """The same seed makes the same people."""
    numbering: Literal["test", "realistic"] = "test"
    """`test` uses the unassigned prefixes 097 to 099. Numbers of `realistic` may belong to living persons by chance."""


class CacheSettings(Section):
    """Copies of upstream records."""

    ttl_seconds: int = Field(default=86_400, ge=1, le=30 * 86_400)
    """A copy older than this is forgotten, whatever callers accept."""
    negative_ttl_seconds: int = Field(default=60, ge=0, le=3_600)
    """How long "nobody holds this number" is remembered. Too long hides newborns."""
    l1_megabytes: int = Field(default=256, ge=0, le=65_536)
    """Memory for copies in each worker, 3.4 KB a citizen: the default holds some 79,000. Too small asks Redis more."""
    unheard_seconds: int = Field(default=900, ge=0, le=30 * 86_400)
    """Greatest age of copies while changes are not heard of, because Redis, control or the feed is gone. Longer shows
    older records then; shorter sends more questions to the national database in the middle of a failure."""


class NumberSettings(Section):
    """Which citizen numbers are taken for valid."""

    allow_test: bool = False
    """Whether 097 to 099 are accepted. Off in production: no citizen holds such a number."""


class AuditSettings(Section):
    """The record of every lookup."""

    segment_megabytes: int = Field(default=64, ge=1, le=1024)
    """A journal file of this size is followed by a new one."""
    gather_milliseconds: float = Field(default=2.0, ge=0, le=50)
    """How long a record may wait for company where calls are dense. Longer saves disk syncs and adds latency."""
    retention_days: int = Field(default=730, ge=365)
    """Decree 53/2022 asks for at least 12 months."""
    witness_dir: Path | None = None
    """A second place for signed checkpoints, best on another machine; finds a journal rolled back to an old copy."""


class LogSettings(Section):
    """Operational logs; evidence is the journal's matter."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """`debug` writes one line per call."""


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(
        env_prefix="DANCU_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    data_dir: Path = Path("data")
    """Journals, ledger, secrets and logs. Must be writable and on a local disk: fdatasync must mean it."""
    node: str = Field(
        default_factory=lambda: re.sub(r"[^a-z0-9-]+", "-", socket.gethostname().lower()).strip("-")[:40] or "node"
    )
    """Name of this machine in journals and receipts; unique among the machines of an installation."""
    grpc: GrpcSettings = GrpcSettings()
    mtls: MutualTlsSettings = MutualTlsSettings()
    admin: AdminSettings = AdminSettings(port=50052)
    http: ListenSettings = ListenSettings(port=8080)
    login: LoginSettings = LoginSettings()
    oauth: OauthSettings = OauthSettings()
    workers: WorkerSettings = WorkerSettings()
    admission: AdmissionSettings = AdmissionSettings()
    redis: RedisSettings = RedisSettings()
    database: DatabaseSettings = DatabaseSettings()
    national_db: NationalDatabaseSettings = NationalDatabaseSettings()
    registries: RegistriesSettings = RegistriesSettings()
    mock: MockSettings = MockSettings()
    cache: CacheSettings = CacheSettings()
    numbers: NumberSettings = NumberSettings()
    audit: AuditSettings = AuditSettings()
    log: LogSettings = LogSettings()

    @field_validator("node")
    @classmethod
    def _node_is_a_name(cls, value: str) -> str:
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", value):
            raise ValueError("1 to 40 characters of a-z, 0-9 and '-'")
        return value

    @classmethod
    def settings_customise_sources(  # pydantic-settings names the parameters
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file (which arrives as init arguments)."""
        return env_settings, init_settings


class SettingsError(Exception):
    """One or more settings are wrong."""

    def __init__(self, mistakes: list[str]) -> None:
        """`mistakes`: one line each, the key first."""
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


def load_settings(config: Path | None = None) -> Settings:
    """Read `config` (or `$DANCU_CONFIG`, or `dancu.toml` here if there is one) and the environment.

    Raises `SettingsError` with every mistake.
    """
    named = config or (Path(os.environ["DANCU_CONFIG"]) if os.environ.get("DANCU_CONFIG") else None)
    path = named or Path("dancu.toml")
    table: dict[str, Any] = {}
    if named is not None or path.exists():
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise SettingsError([f"{path}: cannot be read: {error.strerror}"]) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError([f"{path}: not valid TOML: {error}"]) from error
    mistakes = _unknown_variables(os.environ)
    try:
        settings = Settings(**table)
    except ValidationError as error:
        mistakes += [_told(detail) for detail in error.errors()]
    except UnreadableVariableError as error:
        mistakes.append(f"the environment: {error}")
    if mistakes:
        raise SettingsError(mistakes)
    return settings


def _unknown_variables(environment: Mapping[str, str]) -> list[str]:
    known = {f"DANCU_{name}".upper() for name in Settings.model_fields}
    unknown = []
    for name in environment:
        if not name.startswith("DANCU_") or name in CLIENT_VARIABLES:
            continue
        if name.partition("__")[0] not in known:
            unknown.append(f"{name}: unknown setting in the environment")
    return unknown


def _told(detail: Any) -> str:
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"{key}: unknown setting"
    return f"{key}: {detail['msg']}"
