"""Codes: the path segment of a short link, drawn at random or chosen as an alias. Pure."""

from collections.abc import Callable
from typing import Final

from link_events.identity import Code, is_code

ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
"""Base58: no 0 and O, no I and l, for codes are read aloud and typed."""

CODE_CHARS: Final = 8
"""58^8 = 1.3e14 codes: among a million links a guess finds one in 10^8 tries, and two draws hardly ever meet."""


RESERVED: Final = frozenset(
    {"v1", "v2", "me", "contests", "healthz", "readyz", "metrics", "docs", "redoc", "static", "robots", "favicon"}
)
"""Words that are, or may become, paths of our own; compared without case. Names with a dot are no aliases anyway."""


def draw_code(randbelow: Callable[[int], int]) -> Code:
    """A new code, each character drawn by `randbelow` (`secrets.randbelow` outside tests)."""
    return Code("".join(ALPHABET[randbelow(len(ALPHABET))] for _ in range(CODE_CHARS)))


def alias_fault(alias: str) -> str | None:
    """Why `alias` cannot be a code, or None where it can. Aliases are case-sensitive."""
    if not is_code(alias):
        return "must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -"
    if alias.lower() in RESERVED:
        return f"{alias!r} is reserved"
    return None
