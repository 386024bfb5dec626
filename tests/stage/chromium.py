"""A real Chromium without a window, led by nothing but the pages that it opens."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

from stage.events import BROWSER
from stage.requirements import Requirement, need

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")

PAGE_SECONDS: Final = 20
"""Of the pages' own time, which passes as fast as they have nothing to do: their timers and loads are done by then."""

BROWSING_SECONDS_MAX: Final = 90

OPTIONS: Final = (
    "--headless",
    "--dump-dom",
    "--no-sandbox",  # whoever runs the tests may be root, and the pages are ours
    "--disable-gpu",
    "--no-first-run",
    "--disable-component-update",
    "--disable-background-networking",
    f"--user-agent={BROWSER}",  # one without a window calls itself Headless, and its clicks do not count
    f"--virtual-time-budget={PAGE_SECONDS * 1_000}",
)


class Chromium:
    """Somebody's browser: what pages keep in it, it has when it is opened again."""

    def __init__(self, profile: Path) -> None:
        found = next((path for name in NAMES if (path := shutil.which(name))), None)
        need(Requirement.CHROMIUM, present=found is not None, reason=f"there is none of {', '.join(NAMES)}")
        self._command = [str(found), *OPTIONS, f"--user-data-dir={profile}"]

    def open(self, url: str) -> str:
        """Open `url` and go wherever its pages lead; what the last of them has come to, as HTML."""
        done = subprocess.run(
            [*self._command, url], check=True, capture_output=True, text=True, timeout=BROWSING_SECONDS_MAX
        )
        return done.stdout
