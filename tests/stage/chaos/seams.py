"""Replacing a part of a service before it runs, which fails where the part is not there any more."""

from collections.abc import Callable
from typing import Any


def replace_attribute(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Put what `make` makes of `name` of `owner`, a class or a module, in its place.

    Raises:
        AttributeError: it has none of that name: it was moved, and whoever relied on it has to follow.
    """
    if name not in vars(owner):
        raise AttributeError(f"{owner.__name__} has no {name} of its own any more")
    setattr(owner, name, make(vars(owner)[name]))
