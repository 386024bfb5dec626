"""The aggregator's settings, from the environment. docs/operations.md lists them."""

from datetime import timedelta

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from aggregator.applying.dead_letter_limit import RATIO_MAX
from aggregator.journals.states import SILENT_AFTER
from event_log.settings import EventLogSettings
from http_api.settings import Duration, Port, ServiceSettings


class SilenceSettings(BaseSettings):
    """What commands that show journals share with the service."""

    model_config = SettingsConfigDict(env_prefix="ADVOLINK_AGGREGATOR_", extra="ignore", hide_input_in_errors=True)

    silent_after: Duration = Field(
        SILENT_AFTER,
        ge=timedelta(seconds=1),
        description="After so long without a word a journal is silent (ISO 8601 or seconds).",
    )


class AggregatorSettings(ServiceSettings, EventLogSettings, SilenceSettings):
    """Environment variables with the prefix ADVOLINK_AGGREGATOR_, and those that both services share."""

    model_config = SettingsConfigDict(env_prefix="ADVOLINK_AGGREGATOR_", extra="ignore", hide_input_in_errors=True)

    port: Port = Field(8081, description="Port of the stats API.")
    management_port: Port = Field(9081, description="The management port.")
    lease: Duration = Field(
        timedelta(seconds=6),
        ge=timedelta(seconds=1),
        description="After so long without a word, others take an aggregator's partitions over (ISO 8601 or seconds).",
    )
    raw_retention: Duration | None = Field(
        None,
        ge=timedelta(days=1),
        description="How long raw clicks are kept, counted from when they happened; their counts stay"
        " (ISO 8601 or seconds).",
    )
    log_retention: Duration | None = Field(
        None,
        ge=timedelta(0),
        description="How long the Postgres event log keeps what was applied (ISO 8601 or seconds).",
    )
    dead_letter_ratio_max: float = Field(
        RATIO_MAX,
        ge=0,
        le=1,
        description="A partition stops where more than this share of its latest 1 000 events cannot be read; 1: never.",
    )
    redirectors_expected: int | None = Field(
        None, ge=0, description="How many redirectors there are to be; fewer live ones show as missing."
    )
