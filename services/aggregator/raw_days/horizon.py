"""Which days have lost raw clicks to the horizon. Pure."""

from datetime import date
from typing import Final

KEPT_FROM_EVER: Final = date(2000, 1, 1)
"""The horizon before anything was let go: no click is older."""


def is_beyond(first: date, kept_from: date) -> bool:
    """Whether a local day whose clicks lie in UTC dates from `first` on has lost any to the horizon `kept_from`."""
    return max(first, KEPT_FROM_EVER) < kept_from
