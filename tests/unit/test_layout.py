"""The rules of the layout hold in the whole project, and each of them bites."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from stage import layout
from stage.layout import Rule, Source
from stage.requirements import REPOSITORY

TOOLS: Final = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]

RULES: Final[dict[Rule, tuple[str, ...]]] = {
    layout.short_functions: ("services", "bench"),
    layout.short_files: ("services", "bench"),
    layout.module_docstrings: ("services", "bench", "tests"),
    layout.telling_names: ("services", "bench"),
    layout.environment_in_settings: ("services",),
    layout.no_asserts: ("services",),
    layout.sql_in_files: ("services",),
    layout.promises_with_adr: ("services", "bench", "tests"),
    layout.no_sleeps: ("tests",),
    layout.few_libraries_in_link_events: ("services",),
}
"""Each rule, and the folders it rules."""

EXCEPTIONS: Final[dict[tuple[Rule, str], str]] = {
    (layout.no_sleeps, "tests/stage/waiting.py"): "waiting on a condition sleeps between two looks, and only there",
}
"""(rule, file) → why the rule does not hold there."""

BREACHES: Final[dict[Rule, tuple[tuple[str, str], ...]]] = {
    layout.short_functions: (
        ("services/redirector/links.py", "def resolve():\n" + "    x = 1\n" * 70),
        ("services/redirector/links.py", "class Links:\n    async def resolve(self):\n" + "        x = 1\n" * 70),
    ),
    layout.short_files: (("services/redirector/links.py", "x = 1\n" * 401),),
    layout.module_docstrings: (("services/redirector/links.py", "# Links.\nx = 1\n"),),
    layout.telling_names: (
        ("services/redirector/utils.py", ""),
        ("services/redirector/link_manager.py", ""),
        ("services/common/links.py", ""),
    ),
    layout.environment_in_settings: (
        ("services/redirector/links.py", "import os\nzone = os.environ['ZONE']\n"),
        ("services/redirector/links.py", "import os\nzone = os.getenv('ZONE')\n"),
        ("services/redirector/links.py", "from os import environ as settings\n"),
        ("services/redirector/commands.py", "option = click.option('--zone', envvar='ZONE')\n"),
    ),
    layout.no_asserts: (("services/redirector/links.py", "def issue(code):\n    assert code\n"),),
    layout.sql_in_files: (
        ("services/redirector/links.py", "sql = 'SELECT code FROM link'\n"),
        ("services/redirector/links.py", "sql = '''\n    insert into link (code) values ($1)'''\n"),
        ("services/redirector/links.py", "sql = f'UPDATE {table} SET code = $1'\n"),
        ("services/redirector/links.py", "sql = 'create table link (code text)'\n"),
    ),
    layout.promises_with_adr: (("services/redirector/links.py", "x = 1  # TODO: more than one\n"),),
    layout.no_sleeps: (
        ("tests/unit/test_links.py", "import time\ntime.sleep(1)\n"),
        ("tests/unit/test_links.py", "import asyncio\nasync def test():\n    await asyncio.sleep(1)\n"),
        ("tests/unit/test_links.py", "from asyncio import sleep\n"),
    ),
    layout.few_libraries_in_link_events: (
        ("services/link_events/codec.py", "import pydantic\n"),
        ("services/link_events/codec.py", "from asyncpg.types import Range\n"),
    ),
}
"""For each rule, modules that break it."""

ALLOWED: Final[dict[Rule, tuple[str, str]]] = {
    layout.short_functions: ("services/a/b.py", 'def f():\n    """' + "long\n" * 70 + '"""\n' + "    x = 1\n" * 69),
    layout.short_files: ("services/a/b.py", "x = 1\n" * 400),
    layout.module_docstrings: ("services/a/b.py", '"""What it is for."""\n'),
    layout.telling_names: ("services/database/base58.py", ""),
    layout.environment_in_settings: ("services/a/settings.py", "import os\nzone = os.environ['ZONE']\n"),
    layout.no_asserts: ("services/a/b.py", "raise ValueError('assert nothing')\n"),
    layout.sql_in_files: (
        "services/a/b.py",
        '"""Select one."""\nx = "selected"\ny = "Create a link"\nz = "Update the link"\n',
    ),
    layout.promises_with_adr: ("services/a/b.py", "x = 1  # TODO: more than one (ADR 0003)\n"),
    layout.no_sleeps: ("tests/unit/test_b.py", "clock.sleep(1)\n"),
    layout.few_libraries_in_link_events: (
        "services/link_events/b.py",
        "import orjson\nfrom link_events import codec\n",
    ),
}
"""For each rule, a module that looks like a breach and is none."""


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_project_keeps_the_rule(rule: Rule) -> None:
    breaches = [
        f"{source.path}:{line}: {what}"
        for source in sources(RULES[rule])
        if (rule, source.path.as_posix()) not in EXCEPTIONS
        for line, what in rule(source)
    ]
    assert not breaches, "\n".join(breaches)


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [(rule, path, text) for rule in RULES for path, text in BREACHES[rule]],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_the_rule_bites(rule: Rule, path: str, text: str) -> None:
    assert list(rule(Source(Path(path), text)))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_lets_through_what_only_looks_like_a_breach(rule: Rule) -> None:
    path, text = ALLOWED[rule]
    assert list(rule(Source(Path(path), text))) == []


@pytest.mark.parametrize(("rule", "path"), EXCEPTIONS, ids=lambda part: getattr(part, "__name__", part))
def test_an_exception_is_still_needed(rule: Rule, path: str) -> None:
    file = REPOSITORY / path
    assert list(rule(Source(Path(path), file.read_text(encoding="utf-8"))))


def test_every_package_is_under_the_import_contracts() -> None:
    packages = {folder.name for folder in (REPOSITORY / "services").iterdir() if any(folder.glob("*.py"))}
    assert packages == set(TOOLS["importlinter"]["root_packages"])


def test_every_folder_of_python_is_type_checked() -> None:
    folders = {folder for folder in ("services", "tests", "bench") if any((REPOSITORY / folder).rglob("*.py"))}
    assert folders == set(TOOLS["mypy"]["files"])


def test_the_rules_see_the_source() -> None:
    assert Path("services/link_events/codec.py") in {source.path for source in sources(("services",))}
    assert Path(__file__).relative_to(REPOSITORY) in {source.path for source in sources(("tests",))}


def sources(folders: tuple[str, ...]) -> Iterator[Source]:
    """Every module under `folders`."""
    for folder in folders:
        for file in sorted((REPOSITORY / folder).rglob("*.py")):
            yield Source(file.relative_to(REPOSITORY), file.read_text(encoding="utf-8"))
