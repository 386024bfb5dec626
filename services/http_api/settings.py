"""Settings that both services share, and where commands find a running stack; from the environment."""

from datetime import timedelta
from typing import Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from database.refused_settings import told
from http_api.listening import TcpAddress
from link_events.streams import PARTITIONS_DEFAULT, PARTITIONS_MAX

DURATION_MAX: Final = timedelta(days=36_525)
"""A century: now minus anything longer may be no date any more."""


def _as_seconds(value: Any) -> Any:
    """In the environment a number is a text, which pydantic alone takes for no duration."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _within_a_century(duration: timedelta) -> timedelta:
    if duration > DURATION_MAX:
        raise ValueError(f"is longer than {DURATION_MAX.days:,} days")
    return duration


Duration = Annotated[timedelta, BeforeValidator(_as_seconds), AfterValidator(_within_a_century)]
"""Seconds, or ISO 8601 (`PT72H`)."""

Port = Annotated[int, Field(ge=1, le=65535)]


class ServiceSettings(BaseSettings):
    """What every service is told. Each has a prefix of its own, but for the two variables that all share."""

    model_config = SettingsConfigDict(hide_input_in_errors=True)

    postgres_dsn: str = Field(
        validation_alias="ADVOLINK_POSTGRES_DSN", pattern=r"^postgres(ql)?://", description="Where Postgres is."
    )
    partitions: int = Field(
        PARTITIONS_DEFAULT,
        validation_alias="ADVOLINK_PARTITIONS",
        ge=1,
        le=PARTITIONS_MAX,
        description="Partitions of each stream; never changed once events flow.",
    )
    host: str = Field("127.0.0.1", description="Address of the public port.")
    port: Port
    management_host: str = Field("127.0.0.1", description="Address of the management port.")
    management_port: Port

    @property
    def public_address(self) -> TcpAddress:
        """The public port."""
        return TcpAddress(self.host, self.port)

    @property
    def management_address(self) -> TcpAddress:
        """The management port."""
        return TcpAddress(self.management_host, self.management_port)


Settings = TypeVar("Settings", bound=ServiceSettings)


def settings_or_exit(kind: type[Settings]) -> Settings:
    """A service's settings; where they cannot be used, the process ends with one sentence and status 1.

    Raises:
        SystemExit: they cannot be used.
    """
    try:
        return kind()
    except ValidationError as error:
        raise SystemExit(told(error, kind)) from error


class StackSettings(BaseSettings):
    """Three variables that commands need where no data directory tells them."""

    model_config = SettingsConfigDict(env_prefix="ADVOLINK_", extra="ignore", hide_input_in_errors=True)

    redirector_url: str | None = Field(None, description="Base URL of the redirector, for commands.")
    aggregator_url: str | None = Field(None, description="Base URL of the aggregator, for commands.")
    api_key: str | None = Field(None, description="The API key that commands use.")
