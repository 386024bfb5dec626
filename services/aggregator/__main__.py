"""`python -m aggregator`: one aggregator, configured by the environment."""

from aggregator.app import run_aggregator
from aggregator.settings import AggregatorSettings
from http_api.serving import run


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = AggregatorSettings()
    run(lambda: run_aggregator(settings))


if __name__ == "__main__":
    main()
