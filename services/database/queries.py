"""Named SQL: one .sql file beside the store that uses it, each query under `-- name: purpose`."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

_HEADING = re.compile(r"^-- (\w+): (.+)$", re.MULTILINE)


def load_queries(path: Path) -> Mapping[str, str]:
    """Every query of the file at `path`, by name.

    Raises:
        ValueError: the file begins with SQL that has no name, or a name comes twice.
    """
    text = path.read_text(encoding="utf-8")
    headings = list(_HEADING.finditer(text))
    if not headings or text[: headings[0].start()].strip():
        raise ValueError(f"{path.name} has SQL without a name")
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    queries: dict[str, str] = {}
    for heading, end in zip(headings, ends, strict=True):
        if heading[1] in queries:
            raise ValueError(f"{path.name} names {heading[1]} twice")
        queries[heading[1]] = text[heading.end() : end].strip()
    return MappingProxyType(queries)


def columns(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    """Rows, at least one, as `unnest` takes them: a list for each column."""
    return list(map(list, zip(*rows, strict=True)))
