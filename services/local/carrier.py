"""Which event log carries the events of a data directory: chosen by its first start, and the same ever after.

Reads and writes D/event-log. In another log, what the first one still holds would be left behind, and the aggregator
would go on at offsets that mean nothing there.
"""

from enum import StrEnum
from types import MappingProxyType
from typing import Final

from local.data_directory import DataDirectory
from local.errors import DataDirectoryError
from processes.private_files import read_private, write_private


class Carrier(StrEnum):
    """A log, and whose it is."""

    POSTGRES = "postgres"
    OWN_KAFKA = "own-kafka"
    GIVEN_KAFKA = "given-kafka"


_ASKED_FOR_BY: Final = MappingProxyType(
    {
        Carrier.POSTGRES: "`--log postgres`",
        Carrier.OWN_KAFKA: "`--log kafka` and without ADVOLINK_KAFKA_BOOTSTRAP",
        Carrier.GIVEN_KAFKA: "`--log kafka` and ADVOLINK_KAFKA_BOOTSTRAP",
    }
)


def refuse_another(directory: DataDirectory, carrier: Carrier) -> None:
    """Go on where the events of `directory` travel through `carrier`, or none have travelled yet.

    Raises:
        DataDirectoryError: they travel through another log.
    """
    known = _known(directory)
    if known not in (None, carrier):
        by = _ASKED_FOR_BY.get(Carrier(known), "") if known in set(Carrier) else f"`{known}`"
        raise DataDirectoryError(
            f"The data directory {directory.path} was started with {by}, and its events are in that log: start it so"
            " again, or choose another --data-dir."
        )


def remember(directory: DataDirectory, carrier: Carrier) -> None:
    """From now on its events travel through `carrier`."""
    write_private(directory.carrier, f"{carrier}\n")


def _known(directory: DataDirectory) -> str | None:
    """What carried its events so far. Before this was noted there was only Postgres."""
    noted = read_private(directory.carrier)
    return noted or (Carrier.POSTGRES if directory.admin_key.exists() else None)
