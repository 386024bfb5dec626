"""`python -m redirector`: one redirector, configured by the environment."""

import gc
from typing import Final

from http_api.serving import run
from http_api.settings import settings_or_exit
from processes.programs import own_command
from redirector.settings import RedirectorSettings
from redirector.starting import run as run_redirector

OBJECTS_BEFORE_COLLECTION: Final = 100_000
"""Links in memory are a million objects and more, without a circle among them. Searching them all, which Python does
again and again while their number grows, holds up every redirect for half a second. Circles come from requests that
the framework answers, a few kilobytes each: before this many objects they are some tens of megabytes."""


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    gc.freeze()  # what was imported stays for good: no collection looks at it again
    gc.set_threshold(OBJECTS_BEFORE_COLLECTION)
    settings = settings_or_exit(RedirectorSettings)
    run(lambda: run_redirector(settings, own_command()))


if __name__ == "__main__":
    main()
