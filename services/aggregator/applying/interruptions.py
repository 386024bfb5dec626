"""Why applying a partition breaks off: a closed set, and which error means which."""

from enum import StrEnum

from aggregator.applying.store import OvertakenError
from database.pool import DatabaseFullError, RolledBackError


class Interruption(StrEnum):
    """Why applying a partition broke off. After all but LOST and STOPPED it begins again by itself."""

    AWAY = "away"
    ROLLED_BACK = "rolled_back"
    NO_ROOM = "no_room"
    OVERTAKEN = "overtaken"
    LOST = "lost"
    STOPPED = "stopped"


def interruption_by(error: Exception) -> Interruption:
    """What `error`, after which everything is begun again, counts as."""
    match error:
        case OvertakenError():
            return Interruption.OVERTAKEN
        case RolledBackError():
            return Interruption.ROLLED_BACK
        case DatabaseFullError():
            return Interruption.NO_ROOM
        case _:
            return Interruption.AWAY
