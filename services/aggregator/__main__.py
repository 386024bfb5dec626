"""`python -m aggregator`: one aggregator, configured by the environment."""

from aggregator.app import run_aggregator
from aggregator.settings import AggregatorSettings
from http_api.serving import run
from http_api.settings import settings_or_exit


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = settings_or_exit(AggregatorSettings)
    run(lambda: run_aggregator(settings))


if __name__ == "__main__":
    main()
