"""The aggregator's settings, from the environment. docs/operations.md lists them."""

from datetime import timedelta

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from http_api.settings import Duration, Port, ServiceSettings


class AggregatorSettings(ServiceSettings):
    """Environment variables with the prefix ADVOLINK_AGGREGATOR_, and two that both services share."""

    model_config = SettingsConfigDict(env_prefix="ADVOLINK_AGGREGATOR_", extra="ignore")

    port: Port = Field(8081, description="Port of the stats API.")
    management_port: Port = Field(9081, description="The management port.")
    log_retention: Duration = Field(
        timedelta(days=7),
        ge=timedelta(0),
        description="How long the Postgres event log keeps what was applied (ISO 8601 or seconds).",
    )
