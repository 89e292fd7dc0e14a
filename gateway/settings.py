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

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as UnreadableVariableError

CLIENT_VARIABLES = frozenset(
    f"DANCU_{name}"
    for name in (
        *("TARGET", "API_KEY", "BENCH_KEY", "ADMIN_KEY", "ADMIN_TARGET", "CONFIG"),
        *("TLS", "TLS_CA", "TLS_CERT", "TLS_KEY"),
    )
)
"""Variables of the same prefix that belong to the client library and the command line, not to the settings."""


class Section(BaseModel):
    """One table of `dancu.toml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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
    drain_seconds: float = Field(default=10.0, gt=0, le=300)
    """How long calls under way may take to finish after SIGTERM; the rest is cut."""


class ListenSettings(Section):
    """Where a port of the control process listens."""

    host: str = "127.0.0.1"
    """Loopback by default: these ports are for operators."""
    port: int = Field(default=0, ge=0, le=65535)
    """0 takes a free one."""


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


class RedisSettings(Section):
    """Redis or Valkey, for the shared cache and limits."""

    url: str = ""
    """`redis:`, `rediss:`, `unix://…`. Empty: the embedded Valkey of `dancu up`."""
    timeout_seconds: float = Field(default=0.25, gt=0, le=5)
    """After this an answer is not waited for and the gateway goes on without. Too small makes a busy one look dead."""
    cluster: bool = False
    """Whether `url` names a node of a Redis Cluster; any node will do, the others are learnt from it."""
    max_memory_megabytes: int = Field(default=512, ge=16)
    """Memory of the embedded Valkey. Beyond it what was used least is evicted: cached copies, and counters at rest."""


class DatabaseSettings(Section):
    """The ledger and the accounts, in SQL."""

    url: str = ""
    """SQLAlchemy address such as `postgresql+asyncpg://…`. Empty: `ledger.sqlite` in the data directory."""


class NationalDatabaseSettings(Section):
    """The national population database."""

    url: str = ""
    """Base address. Empty: the bundled mock of `dancu up`."""
    token_file: Path | None = None
    """File with the bearer token, mode 0600."""
    timeout_seconds: float = Field(default=3.0, gt=0, le=60)
    """Longest wait for an answer. A caller's earlier deadline wins."""
    max_connections: int = Field(default=64, ge=1, le=10_000)
    """Connections of one worker."""
    change_feed: bool = True
    """Whether the national database tells changes. Off where it does not: copies then live by their age alone."""


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
    admin: ListenSettings = ListenSettings(port=50052)
    http: ListenSettings = ListenSettings(port=8080)
    workers: WorkerSettings = WorkerSettings()
    redis: RedisSettings = RedisSettings()
    database: DatabaseSettings = DatabaseSettings()
    national_db: NationalDatabaseSettings = NationalDatabaseSettings()
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
