"""The redirector's settings, from the environment. docs/operations.md lists them."""

import os
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Self

import orjson
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from event_log.settings import EventLogSettings
from http_api.connections import CONNECTIONS_MAX, IDLE_SECONDS
from http_api.listening import Address, TcpAddress
from http_api.settings import Duration, Port, ServiceSettings
from redirector.journal.journal import JournalLevel
from redirector.visitors.addresses import Network, network_named

MEBIBYTE = 2**20


class FullPolicy(StrEnum):
    """What a redirect does while the journal can take no events."""

    REDIRECT = "redirect"
    REFUSE = "refuse"


def _web_origin(url: str, _info: ValidationInfo) -> str:
    if not url.startswith(("http://", "https://")) or url.endswith("/") or url.count("/") > 2:  # noqa: PLR2004
        raise ValueError("must be like https://go.example.com, without a path")
    return url


def _as_list(value: Any) -> Any:
    """In the environment a list is a JSON text. Read here, for what pydantic-settings says of one that is none."""
    try:
        return orjson.loads(value) if isinstance(value, str) else value
    except orjson.JSONDecodeError as error:
        raise ValueError('must be a JSON list, like ["wiki.intranet"]') from error


def _as_networks(value: Any) -> Any:
    if value == "*":
        raise ValueError('must be a JSON list of networks, like ["10.1.0.0/16"]; a * would name everybody')
    return _as_list(value)


Networks = Annotated[
    list[Annotated[Network, BeforeValidator(lambda value: network_named(str(value)))]],
    NoDecode,
    BeforeValidator(_as_networks),
]

WORKERS_MAX: Final = 64
"""Each takes a core, and connections to Postgres and Kafka."""

SEGMENTS_MIN = 5
"""With fewer, a journal could have no room for a segment before it is filling (80 %), and wait for the retention."""


class RedirectorSettings(ServiceSettings, EventLogSettings):
    """Environment variables with the prefix ADVOLINK_REDIRECTOR_, and those that both services share."""

    model_config = SettingsConfigDict(env_prefix="ADVOLINK_REDIRECTOR_", extra="ignore", hide_input_in_errors=True)

    port: Port = Field(8080, description="The public port.")
    management_port: Port = Field(9080, description="The management port.")
    public_url: Annotated[str, AfterValidator(_web_origin)] = Field(
        "http://127.0.0.1:8080", description="What short links begin with; its host is refused as a destination."
    )
    workers: int = Field(
        1, ge=1, le=WORKERS_MAX, description="Processes that share the public port, each with a journal of its own."
    )
    worker: int | None = Field(
        None, ge=1, description="Which of them this process is. Set by the process that starts them, by nobody else."
    )
    worker_sockets: Path | None = Field(None, description="Where workers answer that process. Set by it as well.")
    private_hosts: Annotated[list[str], NoDecode, BeforeValidator(_as_list)] = Field(
        default_factory=list,
        description="Private, loopback or link-local hosts that links may lead to all the same (a JSON list).",
    )
    trusted_proxies: Networks = Field(
        default_factory=list,
        description="Proxies of yours whose X-Forwarded-For is heard (a JSON list of networks or addresses).",
    )
    internal_networks: Networks = Field(
        default_factory=list,
        description="Your company's own networks: clicks from there are marked `internal` (a JSON list).",
    )
    journal_dir: Path = Field(Path("journals"), description="Where journals lie; on a disk of its own if possible.")
    journal_bytes_max: int = Field(4096 * MEBIBYTE, ge=5 * MEBIBYTE, description="Cap of one journal, in bytes.")
    journal_segment_bytes: int = Field(64 * MEBIBYTE, ge=MEBIBYTE, description="Size of one segment file, in bytes.")
    journal_full_policy: FullPolicy = Field(
        FullPolicy.REDIRECT,
        description="While the journal is full: `redirect` and count the click as unrecorded, or `refuse` with 503.",
    )
    journal_level: JournalLevel = Field(
        JournalLevel.PROCESS,
        description="A redirect is answered when its click survives any kill (`process`), or a power loss (`disk`).",
    )
    journal_retention: Duration | None = Field(
        None,
        ge=timedelta(0),
        description="How long shipped segments are kept at most; they go earlier where room is needed"
        " (ISO 8601 or seconds).",
    )
    heartbeat_interval: Duration = Field(
        timedelta(seconds=5), gt=timedelta(0), description="How often a silent partition says that it is alive."
    )
    links_in_memory_max: int = Field(100_000, ge=1, description="Links kept in memory, the least recently used go.")
    unknown_codes_per_minute: int = Field(
        60,
        ge=1,
        description="How many codes that nobody has a network (/24, or /48 of IPv6) may ask for; others of its are"
        " answered 429. Links are never limited.",
    )
    unknown_codes_burst: int = Field(60, ge=1, description="How many of them at once, after a while without any.")
    browser_conversions_per_minute: int = Field(
        60,
        ge=1,
        description="How many conversions the browsers of a network (/24, or /48 of IPv6) may report; others of its are"
        " answered 429. What servers report is never limited.",
    )
    browser_conversions_burst: int = Field(60, ge=1, description="How many of them at once, after a while without any.")
    import_bytes_max: int = Field(1024 * MEBIBYTE, ge=1, description="The largest file an import takes, in bytes.")
    connections_max: int = Field(
        CONNECTIONS_MAX, ge=1, description="Connections to the public port at once; a further one is answered 503."
    )
    idle_seconds: int = Field(
        IDLE_SECONDS, ge=1, description="How long a connection is kept on which no request comes."
    )
    stop_delay_seconds: float = Field(
        0.0,
        ge=0,
        description="How long a stop goes on serving after `/readyz` says so, for load balancers to notice.",
    )
    drain_seconds: float = Field(5.0, ge=0, description="How long a stop waits for the event log to take the rest.")

    @model_validator(mode="after")
    def _several_segments(self) -> Self:
        if self.journal_bytes_max < SEGMENTS_MIN * self.journal_segment_bytes:
            raise ValueError(
                f"ADVOLINK_REDIRECTOR_JOURNAL_BYTES_MAX must hold at least {SEGMENTS_MIN} times "
                "ADVOLINK_REDIRECTOR_JOURNAL_SEGMENT_BYTES"
            )
        return self

    @model_validator(mode="after")
    def _one_of_the_workers(self) -> Self:
        if self.worker is not None and (self.worker > self.workers or self.worker_sockets is None):
            raise ValueError("ADVOLINK_REDIRECTOR_WORKER is not for you to set; see ADVOLINK_REDIRECTOR_WORKERS")
        return self

    @property
    def has_workers(self) -> bool:
        """Whether this process starts workers, and redirects nobody itself."""
        return self.workers > 1 and self.worker is None

    @property
    def does_chores(self) -> bool:
        """Whether this process does what only one of all workers may: imports, and what becomes of old journals."""
        return self.worker in (None, FIRST_WORKER)

    @property
    def chores_socket(self) -> Path | None:
        """Where the worker that does the chores answers; None where this process does them."""
        if self.does_chores or self.worker_sockets is None:
            return None
        return worker_socket(self.worker_sockets, FIRST_WORKER)

    @property
    def place(self) -> Address:
        """Where this process answers operators, or the process that started it."""
        if self.worker is None or self.worker_sockets is None:
            return self.management_address
        return worker_socket(self.worker_sockets, self.worker)

    @property
    def redirect_address(self) -> TcpAddress:
        """The public port, which workers share."""
        return TcpAddress(self.host, self.port, is_shared=self.worker is not None)


FIRST_WORKER: Final = 1


def worker_socket(directory: Path, worker: int) -> Path:
    """Where one worker answers."""
    return directory / str(worker)


def worker_environment(worker: int, sockets: Path) -> dict[str, str]:
    """The environment of a worker: that of this process, and who it is."""
    prefix = RedirectorSettings.model_config["env_prefix"]
    return {**os.environ, f"{prefix}WORKER": str(worker), f"{prefix}WORKER_SOCKETS": str(sockets)}
