"""`python -m redirector`: one redirector, configured by the environment."""

from http_api.serving import run
from http_api.settings import settings_or_exit
from processes.programs import own_command
from redirector.settings import RedirectorSettings
from redirector.starting import run as run_redirector


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = settings_or_exit(RedirectorSettings)
    run(lambda: run_redirector(settings, own_command()))


if __name__ == "__main__":
    main()
