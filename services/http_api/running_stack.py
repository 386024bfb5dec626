"""How commands find a running stack: by the `up.json` of `advolink up`, or by the environment."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from http_api.settings import StackSettings

UP_FILE: Final = "up.json"
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
    path = (data_directory or DEFAULT_DIRECTORY) / UP_FILE
    try:
        told = orjson.loads(path.read_bytes())
        return RunningStack(told["redirector"], told["aggregator"], told["api_key"])
    except FileNotFoundError as error:
        raise NoStackError(
            f"Nothing runs here: there is no {path}. Start it with `advolink up`, name its --data-dir, or set "
            "ADVOLINK_REDIRECTOR_URL, ADVOLINK_AGGREGATOR_URL and ADVOLINK_API_KEY."
        ) from error
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise NoStackError(f"{path} cannot be read: {error}") from error
