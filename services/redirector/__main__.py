"""`python -m redirector`: one worker, configured by the environment."""

from http_api.serving import run
from http_api.settings import settings_or_exit
from redirector.app import run_redirector
from redirector.settings import RedirectorSettings


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = settings_or_exit(RedirectorSettings)
    run(lambda: run_redirector(settings))


if __name__ == "__main__":
    main()
