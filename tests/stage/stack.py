"""One `advolink up` that the tests of a session share: for those that only use it, and leave it as they found it."""

from collections.abc import Iterator

import pytest

from stage.requirements import Requirement, need
from stage.up import Up, data_directory, started_up

NO_POSTGRES = "No Postgres"
"""How `up` says that there is none to be had."""


@pytest.fixture(scope="session")
def stack(_no_settings_from_outside: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A running stack on free ports; `stack.content` is what its up.json says. Gone when the session ends."""
    with data_directory(tmp_path_factory.mktemp("stack")) as directory, started_up(directory) as up:
        try:
            up.until_up()
        except RuntimeError:
            need(Requirement.POSTGRES, present=NO_POSTGRES not in up.said, reason=up.said.strip())
            raise
        yield up
