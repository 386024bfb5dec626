"""Which database commands work on, from the environment."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class DatabaseSettings(BaseSettings):
    """One variable that everything shares."""

    model_config = SettingsConfigDict(env_prefix="ADVOLINK_", extra="ignore", hide_input_in_errors=True)

    postgres_dsn: str | None = Field(None, description="Where Postgres is.")
