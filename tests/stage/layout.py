"""The rules of the layout that ruff, mypy and import-linter do not know.

A rule takes a module's source and yields what breaks it, as (line, what). Rules see source, never the imported module.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

FUNCTION_LINES_MAX: Final = 70
"""A function that fits on one screen. Its docstring is not counted."""

FILE_LINES_MAX: Final = 400

VAGUE_NAMES: Final = frozenset({"util", "helper", "common", "base", "manager", "service", "handler"})
"""Words that say nothing of what a module is for. A plural is as vague."""

ENVIRONMENT_NAMES: Final = frozenset(
    {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv", "envvar", "auto_envvar_prefix"}
)
"""How Python and click reach the environment. pydantic-settings is held to settings.py by import-linter."""

LIBRARIES_OF_LINK_EVENTS: Final = frozenset({"orjson", "tzdata", "link_events"})

Breach = tuple[int, str]
Rule = Callable[["Source"], Iterator[Breach]]


@dataclass(frozen=True)
class Source:
    """One module: `path` is relative to the repository."""

    path: Path
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.text, str(self.path))

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node of its tree."""
        return tuple(ast.walk(self.tree))


def short_functions(source: Source) -> Iterator[Breach]:
    """No function is longer than FUNCTION_LINES_MAX."""
    for node in source.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = _lines(node) - (_lines(node.body[0]) if ast.get_docstring(node, clean=False) is not None else 0)
            if lines > FUNCTION_LINES_MAX:
                yield node.lineno, f"{node.name} has {lines} lines, at most {FUNCTION_LINES_MAX}"


def short_files(source: Source) -> Iterator[Breach]:
    """No file is longer than FILE_LINES_MAX."""
    lines = len(source.text.splitlines())
    if lines > FILE_LINES_MAX:
        yield lines, f"the file has {lines} lines, at most {FILE_LINES_MAX}"


def module_docstrings(source: Source) -> Iterator[Breach]:
    """Every module says what it is for."""
    if not ast.get_docstring(source.tree):
        yield 1, "the module has no docstring"


def telling_names(source: Source) -> Iterator[Breach]:
    """No module or package below the top folder is called after nothing (`utils`, `link_manager`, …)."""
    for part in source.path.with_suffix("").parts[1:]:
        vague = [word for word in part.split("_") if word.removesuffix("s") in VAGUE_NAMES]
        if vague:
            yield 1, f"{part} does not say what it is for"


def environment_in_settings(source: Source) -> Iterator[Breach]:
    """Only settings.py reads the environment."""
    if source.path.name == "settings.py":
        return
    for node in source.nodes:
        match node:
            case ast.Attribute(attr=name) | ast.alias(name=name) | ast.keyword(arg=str(name)):
                if name in ENVIRONMENT_NAMES:
                    yield node.lineno, f"{name} reaches the environment: only settings.py does"


def no_asserts(source: Source) -> Iterator[Breach]:
    """No assert: it vanishes under -O, and input is answered with an error of its own."""
    for node in source.nodes:
        if isinstance(node, ast.Assert):
            yield node.lineno, "assert vanishes under -O: raise an error"


def sql_in_files(source: Source) -> Iterator[Breach]:
    """SQL lives in .sql files. A heuristic: text that begins like a statement."""
    docstrings = set(_docstrings(source))
    for node in source.nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings:
            statement = _STATEMENT.match(node.value)
            if statement is not None:
                yield node.lineno, f"SQL outside a .sql file: {statement[0].strip()} ..."


def promises_with_adr(source: Source) -> Iterator[Breach]:
    """A comment that puts work off names the ADR that says so."""
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.COMMENT and _PROMISE.search(token.string) and not _ADR.search(token.string):
            yield token.start[0], f"names no ADR: {token.string}"


def no_sleeps(source: Source) -> Iterator[Breach]:
    """Tests wait on a condition with a deadline (stage/waiting.py), never for a while."""
    for node in source.nodes:
        match node:
            case ast.Attribute(value=ast.Name(id="time" | "asyncio" | "anyio"), attr="sleep"):
                yield node.lineno, "sleeps: wait on a condition with stage.waiting"
            case ast.ImportFrom(module="time" | "asyncio" | "anyio", names=names):
                if any(name.name == "sleep" for name in names):
                    yield node.lineno, "sleeps: wait on a condition with stage.waiting"


def few_libraries_in_link_events(source: Source) -> Iterator[Breach]:
    """link_events stands on the standard library, orjson and tzdata: whoever speaks its words needs no more."""
    if source.path.parts[1] != "link_events":
        return
    for node in source.nodes:
        match node:
            case ast.Import(names=names):
                modules = [name.name for name in names]
            case ast.ImportFrom(module=str(module), level=0):
                modules = [module]
            case _:
                continue
        for module in modules:
            package = module.partition(".")[0]
            if package not in sys.stdlib_module_names | LIBRARIES_OF_LINK_EVENTS:
                yield node.lineno, f"link_events imports {package}"


_STATEMENT = re.compile(
    r"""\s*(
        (ALTER|COPY|CREATE|DELETE|DROP|GRANT|INSERT|LISTEN|LOCK|NOTIFY|SELECT|SET|TRUNCATE|UPDATE|WITH)\s |
        (?i: select\s | insert\s+into\s | update\s+\S+\s+set\s | delete\s+from\s | truncate\s+table\s |
             (alter|create|drop)\s+(unique\s+)?
             (database|extension|function|index|role|schema|sequence|table|type|user|view)\s )
    )""",
    re.VERBOSE,
)
_PROMISE = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
_ADR = re.compile(r"\bADR[ -]?\d{4}\b|\badr/\d{4}")


def _lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _docstrings(source: Source) -> Iterator[ast.AST]:
    """Docstrings, and the texts beneath a constant that explain it."""
    for node in source.nodes:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value
