"""What browser tests start from: a browser that nobody has used, and a shop whose pages it opens."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stage.chromium import Chromium
from stage.web_shop import WebShop, open_web_shop


@pytest.fixture
def chromium(tmp_path: Path) -> Chromium:
    """Somebody's browser."""
    return Chromium(tmp_path / "profile")


@pytest.fixture
def shop() -> Iterator[WebShop]:
    """A shop."""
    with open_web_shop() as opened:
        yield opened
