"""Where a running stack is, from the environment."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class StackSettings(BaseSettings):
    """Three variables that commands need where no data directory tells them."""

    model_config = SettingsConfigDict(env_prefix="ADVOLINK_", extra="ignore")

    redirector_url: str | None = Field(None, description="Base URL of the redirector, for commands.")
    aggregator_url: str | None = Field(None, description="Base URL of the aggregator, for commands.")
    api_key: str | None = Field(None, description="The API key that commands use.")
