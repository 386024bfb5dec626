"""What a person at the terminal sees of `up`: what starts, where it is, what to try next; then nothing but trouble.

Colours where it is a terminal, plain lines where it is a file. Lines are never wrapped, so that they can be copied.
"""

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from local.up_file import Addresses
from processes.logs import LOG_BYTES_MAX


class Terminal:
    """Prints the story of one `up`."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)

    def starting(self, directory: Path) -> None:
        """The first line."""
        self._print(f"[bold]advolink[/] starts in {escape(str(directory))}")

    def step(self, what: str) -> None:
        """One thing that is under way or done."""
        self._print(f"  [dim]·[/] {escape(what)}")

    def ready(self, addresses: Addresses, logs: Path) -> None:
        """The addresses, the key, and what to try."""
        self._print()
        self._print("[bold green]advolink is up[/]")
        self._print(f"  redirector  {addresses.redirector}  (management {addresses.redirector_management})")
        self._print(f"  aggregator  {addresses.aggregator}  (management {addresses.aggregator_management})")
        self._print(f"  admin key   {addresses.api_key}")
        self._print(f"  logs        {escape(str(logs))}")
        self._print()
        self._print("Next, an advocate:")
        self._print()
        self._print(f"  curl -X PUT {addresses.redirector}/v1/advocates/ada \\")
        self._print(f"    -H 'Authorization: Bearer {addresses.api_key}' \\")
        self._print("    -H 'Content-Type: application/json' -d '{\"display_name\": \"Ada\"}'")
        self._print()
        self._print("[dim]Ctrl-C stops everything; what was recorded is kept.[/]")

    def stopping(self) -> None:
        """The stop has begun."""
        self._print("advolink stops …")

    def stopped(self) -> None:
        """The last line."""
        self._print("advolink has stopped.")

    def _print(self, markup: str = "") -> None:
        self._console.print(markup)


def log_to(path: Path) -> None:
    """Send the log of `up` to `path`, and its warnings to the terminal too."""
    file = RotatingFileHandler(path, maxBytes=LOG_BYTES_MAX, backupCount=1, encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    screen = logging.StreamHandler()
    screen.setLevel(logging.WARNING)
    for ours in (logging.getLogger("local"), logging.getLogger("processes")):
        ours.setLevel(logging.INFO)
        ours.handlers = [file, screen]
