"""SQL lives in .sql files under names; what has no name, or a name twice, is refused when the process starts."""

from pathlib import Path

import pytest

from database.queries import load_queries
from stage.requirements import REPOSITORY

SQL_FILES = sorted((REPOSITORY / "services").rglob("*.sql"))


def _written(folder: Path, text: str) -> Path:
    path = folder / "store.sql"
    path.write_text(text, encoding="utf-8")
    return path


def test_each_query_is_found_by_its_name_without_its_heading(tmp_path: Path) -> None:
    """A query keeps its comments and its lines, and loses the space around it."""
    path = _written(tmp_path, "\n-- one: The first.\nSELECT 1;\n\n-- two: The second.\n-- More of it.\nSELECT\n  2;\n")
    assert load_queries(path) == {"one": "SELECT 1;", "two": "-- More of it.\nSELECT\n  2;"}


def test_a_query_cannot_be_exchanged_at_run_time(tmp_path: Path) -> None:
    """What was loaded stays."""
    queries = load_queries(_written(tmp_path, "-- one: The first.\nSELECT 1;"))
    with pytest.raises(TypeError):
        queries["one"] = "SELECT 2;"  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("SELECT 1;\n-- one: The first.\nSELECT 1;", "without a name"),
        ("SELECT 1;", "without a name"),
        ("-- no colon\nSELECT 1;", "without a name"),
        ("", "without a name"),
        ("-- one: The first.\nSELECT 1;\n-- one: Again.\nSELECT 2;", "names one twice"),
    ],
)
def test_a_file_that_cannot_be_told_apart_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    """The message says which file and what of it."""
    with pytest.raises(ValueError, match=rf"store\.sql .*{fault}|store\.sql {fault}"):
        load_queries(_written(tmp_path, text))


@pytest.mark.parametrize("path", SQL_FILES, ids=lambda path: str(path.relative_to(REPOSITORY / "services")))
def test_every_query_of_the_project_has_a_body_and_is_used(path: Path) -> None:
    """By the module beside it, which is the only one that knows its names."""
    code = path.with_suffix(".py").read_text(encoding="utf-8")
    for name, sql in load_queries(path).items():
        assert sql, name
        assert f'"{name}"' in code, name
