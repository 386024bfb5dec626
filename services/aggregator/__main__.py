"""`python -m aggregator`: one aggregator, configured by the environment."""

import gc
from typing import Final

from aggregator.app import run_aggregator
from aggregator.settings import AggregatorSettings
from http_api.serving import run
from http_api.settings import settings_or_exit

OBJECTS_BEFORE_COLLECTION: Final = 100_000
"""A batch of 5 000 clicks is some 40 000 objects that live and die together, without a circle among them. Searching
them after every 700, as Python does unless told, cost 9 µs of a click's 26 and found nothing. Circles come from
requests, a few kilobytes each: before this many objects they are some tens of megabytes."""


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    gc.freeze()  # what was imported stays for good: no collection looks at it again
    gc.set_threshold(OBJECTS_BEFORE_COLLECTION)
    settings = settings_or_exit(AggregatorSettings)
    run(lambda: run_aggregator(settings))


if __name__ == "__main__":
    main()
