"""Keeps a copy of the counts by reading the feed of changes until it is killed: `changes_reader.py URL KEY FILE`.

FILE holds what was read and up to where, replaced in one step after every page.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import httpx2
import orjson

ROWS_MAX: Final = 5
"""Small pages: there is much to be killed between."""

NUMBERS: Final = (
    *("raw_clicks", "counted_clicks", "not_counted_clicks", "credited_millionths", "value_minor"),
    *("by_click_millionths", "by_click_value_minor", "shares", "sessions", "engagements"),
)
"""What is kept of a row; the last three are null of a link."""

Copy = dict[str, Any]


def copied(path: Path) -> Copy:
    """The copy in `path`, or an empty one."""
    if not path.exists():
        return {"since": "", "rows": {}}
    copy: Copy = orjson.loads(path.read_bytes())
    return copy


def read_page(api: httpx2.Client, path: Path) -> bool:
    """Bring the copy one page further, and say whether there is more."""
    copy = copied(path)
    params: dict[str, str | int] = {"since": copy["since"], "limit": ROWS_MAX}
    answer = api.get("/v1/changes", params=params).raise_for_status().json()
    for row in answer["rows"]:
        key = f"{row['counts']} {row['advocate_id'] or row['link_id']} {row['period_start']}"
        copy["rows"][key] = [row[name] for name in NUMBERS]
    copy["since"] = answer["next_since"]
    beside = path.with_suffix(".new")
    beside.write_bytes(orjson.dumps(copy))
    os.replace(beside, path)  # noqa: PTH105 - the atomic step, spelled as what it is
    return bool(answer["more"])


def client(url: str, key: str) -> httpx2.Client:
    """Whoever asks `url` with `key`."""
    return httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30)


def main() -> None:
    """Read for ever; an aggregator that is away or has no time is asked again."""
    url, key, path = sys.argv[1:]
    with client(url, key) as api:
        while True:
            with suppress(httpx2.HTTPError):
                read_page(api, Path(path))


if __name__ == "__main__":
    main()
