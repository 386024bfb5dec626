"""The import contracts of pyproject.toml bite: one planted import breaks the contract that forbids it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stage.requirements import REPOSITORY

PLANTED = [
    ("packages", "redirector/planted.py", "import aggregator"),
    ("packages", "aggregator/planted.py", "import redirector"),
    ("packages", "local/planted.py", "import redirector"),
    ("packages", "local/planted.py", "import aggregator"),
    ("packages", "event_log/planted.py", "import http_api"),
    ("packages", "http_api/planted.py", "import event_log"),
    ("packages", "processes/planted.py", "import local"),
    ("packages", "database/planted.py", "import event_log"),
    ("packages", "link_events/planted.py", "import database"),
    ("packages", "redirector/planted.py", "import advolink"),
    ("command", "advolink/planted.py", "import aggregator"),
    ("pure", "link_events/planted.py", "import asyncpg"),
    ("pure", "aggregator/judge/planted.py", "import database"),
    ("fastapi", "redirector/planted.py", "import fastapi"),
    ("fastapi", "aggregator/planted.py", "from starlette.responses import Response"),
    ("uvicorn", "redirector/app/planted.py", "import uvicorn"),
    ("asyncpg", "redirector/planted.py", "import asyncpg"),
    ("asyncpg", "local/planted.py", "import asyncpg"),
    ("aiokafka", "aggregator/planted.py", "import aiokafka"),
    ("settings", "redirector/planted.py", "from pydantic_settings import BaseSettings"),
]
"""(contract, module under services/, the import that breaks it)."""

ALLOWED = [
    ("command", "advolink/planted.py", "import local.commands"),
    ("fastapi", "redirector/routes/planted.py", "import fastapi"),
    ("settings", "redirector/settings.py", "from pydantic_settings import BaseSettings"),
    ("asyncpg", "aggregator/store.py", "import asyncpg"),
    ("asyncpg", "aggregator/planted/store.py", "import asyncpg"),
    ("aiokafka", "event_log/planted.py", "import aiokafka"),
]
"""The same, and no contract forbids it."""


@pytest.mark.parametrize(("contract", "module", "statement"), PLANTED)
def test_a_planted_import_breaks_the_contract(tmp_path: Path, contract: str, module: str, statement: str) -> None:
    linted = lint_with(tmp_path, contract, module, statement)
    assert "0 kept, 1 broken" in linted.stdout, linted.stdout + linted.stderr
    assert linted.returncode == 1


@pytest.mark.parametrize(("contract", "module", "statement"), ALLOWED)
def test_an_allowed_import_keeps_the_contract(tmp_path: Path, contract: str, module: str, statement: str) -> None:
    linted = lint_with(tmp_path, contract, module, statement)
    assert "1 kept, 0 broken" in linted.stdout, linted.stdout + linted.stderr
    assert linted.returncode == 0


def lint_with(folder: Path, contract: str, module: str, statement: str) -> subprocess.CompletedProcess[str]:
    """What import-linter says of `contract` in a copy of services/ with `statement` added to `module`."""
    services = folder / "services"
    shutil.copytree(REPOSITORY / "services", services, ignore=shutil.ignore_patterns("__pycache__"))
    planted = services / module
    planted.parent.mkdir(exist_ok=True)
    (planted.parent / "__init__.py").touch()
    with planted.open("a", encoding="utf-8") as file:
        file.write(f"\n{statement}\n")
    return subprocess.run(
        [
            Path(sys.executable).with_name("lint-imports"),
            "--no-cache",
            "--config",
            REPOSITORY / "pyproject.toml",
            "--contract",
            contract,
        ],
        cwd=services,
        env={**os.environ, "PYTHONPATH": str(services), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
