"""What a JSON document says, field by field; every fault is kept, so that all of them are told at once. Pure.

Where a field is at fault, what is read in its place only lets the reading go on: a document with faults is none.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Self, TypeVar

from link_events.identity import is_advocate_id

Fault = tuple[str, str]
"""A field's path, and what is wrong with it."""

WORDS_MAX: Final = 100
WORD_TEXT: Final = "Text should be 1 to 200 characters, and no control characters"

_WORD: Final = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,200}")
"""Half a pair of surrogates is no character, and no database keeps it."""

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

TWord = TypeVar("TWord", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Digits:
    """How many digits a decimal may have before and behind its point."""

    before: int
    behind: int

    def read(self, given: object) -> Decimal | None:
        """The decimal that a text or a whole number says, or None where it says none."""
        text = str(given) if isinstance(given, int) and not isinstance(given, bool) else given
        allowed = rf"[0-9]{{1,{self.before}}}([.][0-9]{{1,{self.behind}}})?"
        return Decimal(text) if isinstance(text, str) and re.fullmatch(allowed, text) else None

    @property
    def told(self) -> str:
        """What is allowed, in words."""
        form = f"of {self.before} digits at most before the point and {self.behind} behind it"
        return f"Input should be a decimal {form}, as a text or a whole number"


@dataclass(frozen=True, slots=True)
class Fields:
    """An object of the document: where it stands, what it says, and where faults are kept."""

    path: str
    given: Mapping[str, Any]
    faults: list[Fault]

    @classmethod
    def of(cls, path: str, given: object, faults: list[Fault], known: Collection[str] | None = None) -> Self:
        """What `given` says, which has to be an object; of the `known` fields, where they are not free."""
        if not isinstance(given, Mapping):
            faults.append((path.rstrip("/") or "rules", "Input should be a JSON object"))
            return cls(path, {}, faults)
        fields = cls(path, given, faults)
        for name in () if known is None else (name for name in given if name not in known):
            fields.refuse(name, "There is no such field")
        return fields

    def part(self, name: str, known: Collection[str] | None = None) -> "Fields":
        """The object of that name; what is left out says nothing."""
        return Fields.of(f"{self.path}{name}/", self.given.get(name, {}), self.faults, known)

    def says(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self.given.get(name) is not None

    def refuse(self, name: str, text: str) -> None:
        """Keep a fault of the field, whose name may be any that JSON can say."""
        self.faults.append((f"{self.path}{name}".encode(errors="backslashreplace").decode(), text))

    def text(self, name: str) -> str:
        """A text that has to be there."""
        if name not in self.given:
            self.refuse(name, "Field required")
            return ""
        return self._word(name, self.given[name])

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number within these."""
        number = self.given.get(name, default)
        if not is_whole(number, least, most):
            self.refuse(name, f"Input should be a whole number from {least:,} to {most:,}")
            return default
        return int(number)

    def choice(self, name: str, default: TWord) -> TWord | None:
        """A word of a closed set; None where it is none of them."""
        return self.chosen(name, self.given.get(name, default), type(default))

    def chosen(self, name: str, given: object, words: type[TWord]) -> TWord | None:
        """The word of the set that `given` is."""
        found = next((word for word in words if word == given), None)
        if found is None:
            *first, last = (f"'{word}'" for word in words)
            self.refuse(name, f"Input should be {', '.join(first)} or {last}")
        return found

    def decimal(self, name: str, default: Decimal, digits: Digits) -> Decimal:
        """A decimal of so many digits."""
        if name not in self.given:
            return default
        found = digits.read(self.given[name])
        if found is None:
            self.refuse(name, digits.told)
            return default
        return found

    def day(self, name: str, first: date, last: date) -> date | None:
        """A day within these, which has to be there."""
        if name not in self.given:
            self.refuse(name, "Field required")
            return None
        found = _day(self.given[name])
        if found is None or not first <= found <= last:
            self.refuse(name, f"Input should be a day from {first} to {last}, as 2022-04-08")
            return None
        return found

    def items(self, name: str, least: int, most: int) -> Sequence[Any]:
        """A list of so many; what is left out has none."""
        found = self.given.get(name, [])
        if not isinstance(found, list) or not least <= len(found) <= most:
            self.refuse(name, f"Input should be a list of {least:,} to {most:,}")
            return []
        return found

    def words(self, name: str, least: int = 0) -> frozenset[str]:
        """Some words that others made up."""
        return frozenset(self._word(f"{name}/{at}", one) for at, one in enumerate(self.items(name, least, WORDS_MAX)))

    def advocates(self, name: str, most: int) -> frozenset[str]:
        """Some advocates' ids."""
        found = self.items(name, 0, most)
        for at, one in enumerate(found):
            if not isinstance(one, str) or not is_advocate_id(one):
                self.refuse(f"{name}/{at}", "Text should be 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'")
        return frozenset(one for one in found if isinstance(one, str))

    def multipliers(self, name: str, most: int, digits: Digits) -> Mapping[str, Decimal]:
        """Decimals by words that others made up."""
        inner = self.part(name)
        if len(inner.given) > most:
            self.refuse(name, f"Input should have {most:,} fields at most")
            return {}
        for word in inner.given:
            if not _WORD.fullmatch(word):
                inner.refuse(word, WORD_TEXT)
        return {word: inner.decimal(word, Decimal(1), digits) for word in inner.given}

    def _word(self, name: str, given: object) -> str:
        if isinstance(given, str) and _WORD.fullmatch(given):
            return given
        self.refuse(name, WORD_TEXT)
        return ""


def is_whole(given: object, least: int, most: int) -> bool:
    """Whether it is a whole number within these: neither floating point nor true or false."""
    return isinstance(given, int) and not isinstance(given, bool) and least <= given <= most


def _day(given: object) -> date | None:
    if not isinstance(given, str) or not _DAY.fullmatch(given):
        return None
    try:
        return date.fromisoformat(given)
    except ValueError:
        return None
