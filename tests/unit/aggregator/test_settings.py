"""What the aggregator keeps it keeps for ever unless it is told otherwise, and then for a day at least."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from aggregator.settings import AggregatorSettings


def settings(**fields: Any) -> AggregatorSettings:
    return AggregatorSettings.model_validate({"ADVOLINK_POSTGRES_DSN": "postgresql://127.0.0.1/x", **fields})


def test_everything_is_kept_unless_told_otherwise() -> None:
    assert (settings().raw_retention, settings().log_retention) == (None, None)


def test_retentions_are_read_by_their_documented_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """ISO 8601, or seconds."""
    monkeypatch.setenv("ADVOLINK_AGGREGATOR_RAW_RETENTION", "P400D")
    monkeypatch.setenv("ADVOLINK_AGGREGATOR_LOG_RETENTION", "3600")
    assert settings().raw_retention == timedelta(days=400)
    assert settings().log_retention == timedelta(hours=1)


@pytest.mark.parametrize(("field", "value"), [("raw_retention", "PT23H"), ("raw_retention", 0), ("log_retention", -1)])
def test_what_cannot_be_kept_for_so_short_is_refused_by_name(field: str, value: object) -> None:
    """Clicks of yesterday still come in today."""
    with pytest.raises(ValidationError, match=field):
        settings(**{field: value})


@pytest.mark.parametrize("field", ["raw_retention", "log_retention"])
def test_longer_than_a_century_is_no_retention(field: str) -> None:
    """Before such a time there are no dates. For ever is to leave it out."""
    assert settings(**{field: "P36525D"})
    with pytest.raises(ValidationError, match=r"is longer than 36,525 days"):
        settings(**{field: "P9999999D"})
