"""Click ids in the addresses that redirects lead to, as a destination finds them."""

import re
from typing import Final

_PARAMETER: Final = re.compile(r"[?&]advolink_click_id=([A-Za-z0-9_-]{40})(?=#|$)")


def split_location(location: str) -> tuple[str, str]:
    """Where `location` leads, and the click id in it, which it must have."""
    found = _PARAMETER.search(location)
    assert found is not None, f"{location} has no click id"
    return location[: found.start()] + location[found.end() :], found[1]
