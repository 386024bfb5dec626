"""At full load, with Kafka's broker killed again and again, each redirect is one click in the end.

Ten minutes of it: `make load MINUTES=10` (docs/chaos.md).
"""

from pathlib import Path

import pytest

from stage.full_load import loaded_stack, put_under_full_load
from stage.kafka import launched_kafka

pytestmark = [pytest.mark.long, pytest.mark.timeout(1_500)]

SECONDS = 90
"""The broker is killed three times or so."""


@pytest.fixture(scope="module", autouse=True)
def _kafka_can_be_had() -> None:
    """Skips, with the reason, where it cannot; and fetches it, so that no `up` waits for that here."""
    with launched_kafka():
        pass


@pytest.mark.parametrize("workers", [2])
def test_at_full_load_with_the_broker_killed_each_redirect_is_one_click(tmp_path: Path, workers: int) -> None:
    """Accepted ≤ raw ≤ accepted + under way at the end; none refused, broken off or unrecorded."""
    with loaded_stack(tmp_path, workers, SECONDS) as up:
        outcome = put_under_full_load(up, SECONDS)
    assert outcome.is_settled, str(outcome)
    assert outcome.kills >= 2
