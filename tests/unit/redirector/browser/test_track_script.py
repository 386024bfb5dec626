"""track.js as it is served: made of its source, small, and told of the programme what it has to know."""

import subprocess
import sys

from link_events.click_ids import CLICK_ID_NAME
from redirector.browser.track_script import TRACK_JS_BYTES_MAX, track_script
from stage.requirements import REPOSITORY

LONGEST_NAME = "n" * 64
A_CENTURY_S = 100 * 366 * 86_400


def test_what_is_served_is_made_of_the_source() -> None:
    build = REPOSITORY / "tools" / "build-track-js"
    done = subprocess.run([sys.executable, build, "--check"], check=False, capture_output=True, text=True)
    assert not done.returncode, done.stderr


def test_it_takes_two_kilobytes_at_most_whatever_the_programme_says() -> None:
    assert len(track_script(LONGEST_NAME, A_CENTURY_S).body) <= TRACK_JS_BYTES_MAX == 2_048


def test_it_is_called_with_what_the_programme_says() -> None:
    assert track_script("ref", 60).body.endswith(b'})("ref",60000);\n')


def test_it_asks_for_no_other_library() -> None:
    body = track_script(CLICK_ID_NAME, 60).body
    assert not [word for word in (b"import", b"require", b"http", b"eval", b"document.cookie") if word in body]


def test_another_script_has_another_etag() -> None:
    """And the same one has the same, in every process."""
    scripts = [track_script(name, seconds) for name, seconds in (("a", 60), ("b", 60), ("a", 61), ("a", 60))]
    assert len({script.etag for script in scripts}) == 3
    assert scripts[0].etag == scripts[3].etag
    assert scripts[0].etag.startswith('"')
