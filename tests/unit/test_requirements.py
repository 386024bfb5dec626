"""What a test lacks is said: skipped on a developer's machine, failed where it is required."""

import re

import pytest

from stage.requirements import (
    REPOSITORY,
    YARDSTICKS,
    Requirement,
    need,
    pytest_report_header,
    required_names,
    shared_data,
)


@pytest.fixture(autouse=True)
def _nothing_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ADVOLINK_REQUIRE", raising=False)
    monkeypatch.delenv("ADVOLINK_DATA", raising=False)


def test_what_is_present_lets_the_test_go_on() -> None:
    need(Requirement.POSTGRES, present=True, reason="unused")


def test_what_is_missing_skips_with_its_reason() -> None:
    with pytest.raises(pytest.skip.Exception, match="postgres: no binaries"):
        need(Requirement.POSTGRES, present=False, reason="no binaries")


def test_what_is_missing_and_required_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADVOLINK_REQUIRE", "data, postgres")
    with pytest.raises(pytest.fail.Exception, match="ADVOLINK_REQUIRE names postgres: no binaries"):
        need(Requirement.POSTGRES, present=False, reason="no binaries")


def test_what_is_missing_skips_where_only_something_else_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADVOLINK_REQUIRE", "data")
    with pytest.raises(pytest.skip.Exception):
        need(Requirement.POSTGRES, present=False, reason="no binaries")


def test_shared_data_is_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("data")
    monkeypatch.setenv("ADVOLINK_DATA", str(folder))
    assert shared_data() == folder


def test_shared_data_that_is_absent_names_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADVOLINK_DATA", "/nowhere/at/all")
    with pytest.raises(pytest.skip.Exception, match="/nowhere/at/all"):
        shared_data()


def test_an_unknown_requirement_is_named_at_the_top_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADVOLINK_REQUIRE", "postgres,postgers")
    assert pytest_report_header() == [
        "required: postgers, postgres",
        "ADVOLINK_REQUIRE names what no test knows: postgers",
    ]


def test_continuous_integration_requires_everything_a_test_may_need() -> None:
    """But for what only benchmarks need."""
    script = (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")
    names = re.search(r"ADVOLINK_REQUIRE:-([a-z,]+)", script)
    assert names is not None
    assert required_names({"ADVOLINK_REQUIRE": names[1]}) == set(Requirement) - YARDSTICKS
