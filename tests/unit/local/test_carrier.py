"""A data directory keeps the event log that it was started with."""

from pathlib import Path

import pytest

from local.carrier import Carrier, refuse_another, remember
from local.data_directory import DataDirectory
from local.errors import DataDirectoryError


@pytest.mark.parametrize("carrier", Carrier)
def test_a_new_directory_takes_any_log_and_keeps_it(carrier: Carrier, tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    for any_carrier in Carrier:
        refuse_another(directory, any_carrier)
    remember(directory, carrier)
    refuse_another(directory, carrier)
    for other in set(Carrier) - {carrier}:
        with pytest.raises(DataDirectoryError, match="start it so again, or choose another --data-dir"):
            refuse_another(directory, other)


def test_the_refusal_says_how_it_was_started(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    remember(directory, Carrier.OWN_KAFKA)
    with pytest.raises(DataDirectoryError) as caught:
        refuse_another(directory, Carrier.POSTGRES)
    assert str(caught.value) == (
        f"The data directory {tmp_path} was started with `--log kafka` and without ADVOLINK_KAFKA_BOOTSTRAP, and its"
        " events are in that log: start it so again, or choose another --data-dir."
    )


def test_a_directory_from_before_there_was_a_choice_is_one_of_postgres(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    directory.admin_key.touch()
    refuse_another(directory, Carrier.POSTGRES)
    with pytest.raises(DataDirectoryError, match="`--log postgres`"):
        refuse_another(directory, Carrier.OWN_KAFKA)


def test_a_log_of_a_later_version_is_refused_by_its_name(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    directory.carrier.write_text("pulsar\n", encoding="utf-8")
    with pytest.raises(DataDirectoryError, match="was started with `pulsar`"):
        refuse_another(directory, Carrier.POSTGRES)
