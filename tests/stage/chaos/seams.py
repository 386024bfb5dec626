"""Replacing a part of a service before it runs, which fails where the part is not there any more."""

from collections.abc import Callable
from typing import Any


def replace_attribute(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Put what `make` makes of the old `name` of `owner` (a class or a module) in its place.

    Raises:
        AttributeError: it has none of that name: it was renamed, and whoever relied on it has to follow.
    """
    setattr(owner, name, make(vars(owner)[name] if name in vars(owner) else getattr(owner, name)))
