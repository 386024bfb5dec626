"""Fixtures for the tests of the local stack."""

from collections.abc import Iterator

import pytest

from stage.ordinary_user import OrdinaryUser, ordinary_user


@pytest.fixture(scope="session")
def somebody() -> Iterator[OrdinaryUser]:
    """A user who is not root."""
    with ordinary_user() as user:
        yield user
