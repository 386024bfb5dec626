"""What clicks are to be judged, by a second reckoning that shares nothing with the service's but the words."""

from typing import Final

from stage.pipe import Pipe
from stage.sql import fetch

_CLICKS: Final = """
    SELECT verdict, reasons, method = 'HEAD', self_click, visitor, link_id, local_day, (journal, partition, seq)::text
    FROM click ORDER BY partition, log_offset, journal, seq
"""


async def misjudged(pipe: Pipe, *, repeats: bool = True) -> list[tuple[object, ...]]:
    """Stored clicks whose verdict is not what it is when all are judged from scratch, one after another in log order.

    For clicks of which nothing speaks against but a HEAD, or being the advocate's own.
    """
    wrong: list[tuple[object, ...]] = []
    seen = set()
    for verdict, reasons, is_head, is_own, visitor, *slot, name in await fetch(pipe.dsn, _CLICKS):
        expected = ["method_head"] * is_head + ["self_click"] * is_own
        if not expected and visitor is not None:
            if (visitor, *slot) in seen and repeats:
                expected = ["repeat"]
            seen.add((visitor, *slot))
        if (verdict, reasons) != ("not_counted" if expected else "counted", expected):
            wrong.append((name, verdict, reasons, expected))
    return wrong
