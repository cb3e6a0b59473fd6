"""Settings of the process, not of the policy: where things lie and where to listen."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from keepstone.core.errors import UsageError


@dataclass(frozen=True, slots=True)
class Settings:
    """Where Keepstone keeps its state and listens; each field has the environment name in its metadata."""

    home: Path = Path(".keepstone")  # KEEPSTONE_HOME
    policy: Path = Path("keepstone.yaml")  # KEEPSTONE_POLICY
    environment: str = ""  # KEEPSTONE_ENV: selects the overlay `keepstone.<environment>.yaml`
    host: str = "127.0.0.1"  # KEEPSTONE_HOST
    port: int = 8080  # KEEPSTONE_PORT
    log_level: str = "info"  # KEEPSTONE_LOG_LEVEL
    database_url: str = field(default="", repr=False)  # KEEPSTONE_DATABASE: PostgreSQL; else SQLite in `home`
    workers: int = 1  # KEEPSTONE_WORKERS
    drain: float = 0.0  # KEEPSTONE_DRAIN: seconds between a signal to stop and the first refusal
    keep_alive: float = 5.0  # KEEPSTONE_KEEP_ALIVE: seconds that an idle connection stays open
    first_key: bool = (
        True  # KEEPSTONE_FIRST_KEY: `on`, or `off` where what is printed is kept, as in containers
    )
    telemetry: bool = False  # OTEL_EXPORTER_OTLP_ENDPOINT and its like: a collector is named
    worker: int = 0  # which of several workers this is
    shard: str = "main"  # the log that this process writes; the parent of several workers says which
    rates: str = field(default="", repr=False)  # KEEPSTONE_RATES: URL of Valkey or Redis; empty: in process

    @property
    def database(self) -> Path | str:
        """Return the path of the embedded database, or the URL of the one that is set."""
        return self.database_url or self.home / "keepstone.db"

    @property
    def ledger(self) -> Path:
        """Return the folder of the record."""
        return self.home / "ledger"

    @property
    def profiles(self) -> Path:
        """Return the file of what AWS said about inference profiles."""
        return self.home / "inference-profiles.json"

    @property
    def keys(self) -> Path:
        """Return the folder of the signing keys; its files are readable by the owner only."""
        return self.home / "keys"

    @property
    def subjects(self) -> Path:
        """Return the folder of the keys that content is encrypted with, one for each subject."""
        return self.keys / "content"


MAX_WORKERS = 64
MAX_DRAIN_S = 3600
MAX_KEEP_ALIVE_S = 4000


def from_environment(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the `KEEPSTONE_*` variables; raise `UsageError` for a number that is none."""
    default = Settings()
    raw_port = environ.get("KEEPSTONE_PORT", str(default.port))
    if not raw_port.isdecimal() or not 0 <= int(raw_port) <= 65535:
        raise UsageError(f"KEEPSTONE_PORT is `{raw_port[:16]}`, expected a number from 0 to 65535")
    return Settings(
        database_url=environ.get("KEEPSTONE_DATABASE", default.database_url),
        telemetry=_collector_named(environ),
        workers=int(_number(environ, "KEEPSTONE_WORKERS", default.workers, 1, MAX_WORKERS)),
        drain=_number(environ, "KEEPSTONE_DRAIN", default.drain, 0, MAX_DRAIN_S),
        keep_alive=_number(environ, "KEEPSTONE_KEEP_ALIVE", default.keep_alive, 1, MAX_KEEP_ALIVE_S),
        first_key=_switch(environ, "KEEPSTONE_FIRST_KEY", default.first_key),
        home=Path(environ.get("KEEPSTONE_HOME", default.home)),
        policy=Path(environ.get("KEEPSTONE_POLICY", default.policy)),
        environment=environ.get("KEEPSTONE_ENV", default.environment),
        host=environ.get("KEEPSTONE_HOST", default.host),
        port=int(raw_port),
        log_level=environ.get("KEEPSTONE_LOG_LEVEL", default.log_level),
        rates=environ.get("KEEPSTONE_RATES", default.rates),
    )


def _collector_named(environ: Mapping[str, str]) -> bool:
    """Say whether OpenTelemetry's own variables name a collector and do not switch it off."""
    names = ("", "_TRACES", "_METRICS")
    named = any(environ.get(f"OTEL_EXPORTER_OTLP{name}_ENDPOINT") for name in names)
    return named and environ.get("OTEL_SDK_DISABLED", "").lower() != "true"


def _switch(environ: Mapping[str, str], name: str, default: bool) -> bool:
    raw = environ.get(name, "on" if default else "off")
    if raw not in ("on", "off"):
        raise UsageError(f"{name} is `{raw[:16]}`, expected `on` or `off`")
    return raw == "on"


def _number(environ: Mapping[str, str], name: str, default: float, least: float, most: float) -> float:
    raw = environ.get(name, str(default))
    try:
        found = float(raw)
    except ValueError:
        found = float("nan")
    if not least <= found <= most:
        raise UsageError(f"{name} is `{raw[:16]}`, expected a number from {least:g} to {most:g}")
    return found
