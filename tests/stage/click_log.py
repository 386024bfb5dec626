"""A real shortener's click log, and a small generated twin of it, with answers tallied by no code of ours.

The real one is one hour of bitly's public feed (3 440 clicks). It is not part of the project: where it is absent, tests
of it skip and say why, and the twin stands in.
"""

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from stage.requirements import Requirement, need, shared_data, shared_folder

REAL_LOG = "bitly_usagov_2012.jsonl"
REAL_CLICKS: Final = 3440
REAL_ADVOCATES: Final = 275

TWIN_START: Final = 1_331_923_247
"""In the hour of the real log: 2012-03-16 18:40:47 UTC."""

AGENTS: Final = (
    "Mozilla/5.0 (Windows NT 6.1; WOW64) AppleWebKit/535.11 (KHTML, like Gecko) Chrome/17.0.963.78 Safari/535.11",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 5_1 like Mac OS X) AppleWebKit/534.46 (KHTML, like Gecko) Version/5.1 Mobile",
    "Twitterbot/1.0",
    "",
)


@dataclass(frozen=True)
class ClickLine:
    """What a test needs of a line: whose link, where it leads, and what the browser said."""

    advocate_id: str
    code: str
    destination: str
    user_agent: str
    referrer: str


def real_log() -> Path:
    """The real log, or a skip."""
    path = shared_data() / REAL_LOG
    need(Requirement.DATA, present=path.exists(), reason=f"{path.name} is not here")
    return path


def has_real_log() -> bool:
    """Whether the real log is here."""
    return (shared_folder() / REAL_LOG).exists()


def write_twin(path: Path, clicks: int, *, seed: int = 1) -> Path:
    """A log like the real one: heartbeats among the clicks, some lines twice, some user agents missing."""
    rng = random.Random(seed)
    lines: list[str] = []
    for number in range(clicks):
        if number % 29 == 0:
            lines.append(json.dumps({"_heartbeat_": TWIN_START + number}))
        if number % 71 == 70:
            lines.append(next(line for line in reversed(lines) if "_heartbeat_" not in line))
            continue
        link = min(int(rng.paretovariate(0.9)), 80)
        lines.append(json.dumps(_twin_click(rng, link, TWIN_START + number % 3600)))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _twin_click(rng: random.Random, link: int, seconds: int) -> dict[str, Any]:
    return {
        "a": rng.choice(AGENTS),
        "c": rng.choice(["US", "DE", None]),
        "l": f"advocate_{link % 23}",
        "h": f"Twin{link}",
        "u": f"http://www.example.com/page {link}?q=ä",
        "r": rng.choice(["direct", "http://t.co/x", "https://www.facebook.com/l.php?u=1"]),
        "al": "en-US,en;q=0.8",
        "t": seconds,
    }


def clicks_in(path: Path) -> Iterator[Mapping[str, Any]]:
    """Every line of a log that is a click."""
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = json.loads(line)
        if "_heartbeat_" not in fields:
            yield fields


def tally(path: Path) -> Counter[str]:
    """Clicks by advocate, counted straight from the file."""
    return Counter(fields["l"] for fields in clicks_in(path))


def lines_to_replay(path: Path) -> list[ClickLine]:
    """The clicks of a log as requests."""
    return [
        ClickLine(fields["l"], fields["h"], fields["u"], fields.get("a", ""), fields.get("r", ""))
        for fields in clicks_in(path)
    ]
