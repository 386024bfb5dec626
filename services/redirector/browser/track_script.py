"""track.js as it is served: what tools/build-track-js has made of it, called with what the programme says. Pure."""

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Final

import orjson

TRACK_JS_BYTES_MAX: Final = 2_048
"""What it may take, uncompressed: every page of a shop loads it."""

_ETAG_BYTES: Final = 9
_MINIFIED: Final = (Path(__file__).parent / "track.min.js").read_bytes().strip()


@dataclass(frozen=True, slots=True)
class TrackScript:
    """A script, and how a browser knows it again."""

    body: bytes
    etag: str


@lru_cache(maxsize=4)  # the programme changes rarely
def track_script(click_id_name: str, earns_s: int) -> TrackScript:
    """The script that finds click ids under `click_id_name` and keeps each for `earns_s`."""
    arguments = orjson.dumps([click_id_name, earns_s * 1_000])[1:-1]
    body = _MINIFIED + b"(" + arguments + b");\n"
    return TrackScript(body, f'"{blake2b(body, digest_size=_ETAG_BYTES).hexdigest()}"')
