"""Where the SQL under schemas/postgres/ is: beside services/ in a checkout, inside this package in a wheel."""

from pathlib import Path
from typing import Final

_IN_CHECKOUT: Final = Path(__file__).resolve().parents[2] / "schemas" / "postgres"
_IN_WHEEL: Final = Path(__file__).resolve().parent / "schemas_postgres"

SCHEMA_DIRECTORY: Final = _IN_CHECKOUT if _IN_CHECKOUT.is_dir() else _IN_WHEEL
MIGRATIONS_DIRECTORY: Final = SCHEMA_DIRECTORY / "migrations"
