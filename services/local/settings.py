"""What `advolink up` takes from the environment, and what its children get of it.

The only module of `local` that reads the environment. A flag on the command line goes before a variable.
"""

import os
from enum import StrEnum
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from link_events.streams import PARTITIONS_DEFAULT, PARTITIONS_MAX


class PostgresChoice(StrEnum):
    """Whose Postgres binaries to run where no DSN is given."""

    AUTO = "auto"
    SYSTEM = "system"
    WHEEL = "wheel"


class LocalSettings(BaseSettings):
    """ADVOLINK_POSTGRES_DSN, ADVOLINK_LOCAL_POSTGRES and so on. An empty variable counts as none."""

    model_config = SettingsConfigDict(env_prefix="ADVOLINK_", env_ignore_empty=True, use_attribute_docstrings=True)

    postgres_dsn: str | None = None
    """A Postgres that runs already; nothing is launched then."""

    local_postgres: PostgresChoice = PostgresChoice.AUTO
    """Whose Postgres to run: `system`, `wheel`, or `auto`, which takes the system's where there is one."""

    redirector_public_url: str | None = None
    """What short links begin with; the redirector's address on this machine unless set."""

    partitions: Annotated[int, Field(ge=1, le=PARTITIONS_MAX)] = PARTITIONS_DEFAULT
    """Partitions of each stream; never changed once events flow."""


def inherited_environment() -> dict[str, str]:
    """The environment of `up`, which its services run in too."""
    return dict(os.environ)
