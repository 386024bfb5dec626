"""How commands find a running stack: by the `up.json` of `advolink up`, or by the environment."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from http_api.settings import StackSettings

UP_FILE: Final = "up.json"
CARRIER_FILE: Final = "event-log"
OWN_KAFKA: Final = "own-kafka"
"""What CARRIER_FILE says where `up` launched the Kafka."""

DEFAULT_DIRECTORY: Final = Path(".advolink")
"""Where `advolink up` keeps everything unless told otherwise."""


class NoStackError(Exception):
    """No running stack was found; the message says what to do."""


@dataclass(frozen=True, slots=True)
class RunningStack:
    """Base URLs, without a slash at the end, and the key to use there."""

    redirector: str
    aggregator: str
    api_key: str


@dataclass(frozen=True, slots=True)
class RunningStores:
    """What a running stack keeps everything in; `kafka_bootstrap` is None where its event log is in Postgres.

    A `given_kafka` is reached by what the environment says of it; one that `up` launched, plainly.
    """

    postgres_dsn: str
    kafka_bootstrap: str | None
    given_kafka: bool


def find_stack(data_directory: Path | None) -> RunningStack:
    """The stack of `data_directory`; without one, of the environment or of DEFAULT_DIRECTORY.

    Raises:
        NoStackError: there is none.
    """
    if data_directory is None:
        settings = StackSettings()
        if settings.redirector_url and settings.aggregator_url and settings.api_key:
            urls = (settings.redirector_url.rstrip("/"), settings.aggregator_url.rstrip("/"))
            return RunningStack(*urls, settings.api_key)
    names = ("redirector", "aggregator", "api_key")
    instead = "ADVOLINK_REDIRECTOR_URL, ADVOLINK_AGGREGATOR_URL and ADVOLINK_API_KEY"
    return RunningStack(*_told(data_directory or DEFAULT_DIRECTORY, *names, or_set=instead))


def find_stores(data_directory: Path) -> RunningStores:
    """What the stack of `data_directory` keeps everything in.

    Raises:
        NoStackError: none runs there.
    """
    dsn, bootstrap = _told(data_directory, "postgres_dsn", "kafka_bootstrap", or_set="ADVOLINK_POSTGRES_DSN")
    return RunningStores(dsn, bootstrap, given_kafka=_carrier(data_directory) != OWN_KAFKA)


def _carrier(data_directory: Path) -> str | None:
    """What carries the events of `data_directory`, as `up` noted it."""
    try:
        return (data_directory / CARRIER_FILE).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise NoStackError(f"{data_directory / CARRIER_FILE} cannot be read: {error}") from error


def _told(data_directory: Path, *names: str, or_set: str) -> list[Any]:
    """What the stack of `data_directory` says under `names`; the variables of `or_set` say the same without it."""
    path = data_directory / UP_FILE
    try:
        told = orjson.loads(path.read_bytes())
        return [told[name] for name in names]
    except FileNotFoundError as error:
        raise NoStackError(
            f"Nothing runs here: there is no {path}. Start it with `advolink up`, name its --data-dir, or set {or_set}."
        ) from error
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise NoStackError(f"{path} cannot be read: {error}") from error
