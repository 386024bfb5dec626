"""How the redirector's process is set up before it runs."""

import gc
from collections.abc import Iterator

import pytest

from redirector import __main__ as program


@pytest.fixture
def collector() -> Iterator[None]:
    """Python's garbage collector, as it was afterwards."""
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("collector")
def test_what_stays_is_not_searched_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """With 100 000 links in memory each search of all objects holds up every redirect for half a second."""
    ran: list[int] = []
    monkeypatch.setattr(program, "settings_or_exit", lambda _: None)
    monkeypatch.setattr(program, "run", lambda _: ran.append(gc.get_threshold()[0]))
    program.main()
    assert ran == [program.OBJECTS_BEFORE_COLLECTION]
    assert gc.get_freeze_count() > 0
