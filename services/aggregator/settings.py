"""The aggregator's settings, from the environment. docs/operations.md lists them."""

from datetime import timedelta

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from link_events.streams import PARTITIONS_DEFAULT, PARTITIONS_MAX


class AggregatorSettings(BaseSettings):
    """Environment variables with the prefix ADVOLINK_AGGREGATOR_, and two that both services share."""

    model_config = SettingsConfigDict(env_prefix="ADVOLINK_AGGREGATOR_", extra="ignore")

    postgres_dsn: str = Field(validation_alias="ADVOLINK_POSTGRES_DSN", description="Where Postgres is.")
    partitions: int = Field(
        PARTITIONS_DEFAULT,
        validation_alias="ADVOLINK_PARTITIONS",
        ge=1,
        le=PARTITIONS_MAX,
        description="Partitions of each stream; never changed once events flow.",
    )
    host: str = Field("127.0.0.1", description="Address of the stats API.")
    port: int = Field(8081, ge=1, le=65535, description="Port of the stats API.")
    management_host: str = Field("127.0.0.1", description="Address of the management port.")
    management_port: int = Field(9081, ge=1, le=65535, description="The management port.")
    log_retention: timedelta = Field(
        timedelta(days=7),
        ge=timedelta(0),
        description="How long the Postgres event log keeps what was applied (ISO 8601 or seconds).",
    )
