"""Values compare, hash and print as frozen dataclasses do."""

from dataclasses import dataclass, fields, replace

import pytest
from hypothesis import given

from link_events.events import Click
from link_events.identity import Origin
from link_events.values import value
from stage.events import clicks, origins


@value(frozen=True, slots=True)
class _Quick:
    name: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class _Frozen:
    name: str
    count: int = 1


@pytest.mark.parametrize(("name", "count"), [("a", 1), ("", 0), ("a", 2)])
def test_a_value_is_what_a_frozen_dataclass_is(name: str, count: int) -> None:
    """Equal to its equals, with their hash, without room for more, and printed in full."""
    quick, frozen = _Quick(name, count), _Frozen(name, count)
    assert quick == replace(quick)
    assert quick != _Quick(name, count + 1)
    assert hash(quick) == hash(frozen)
    assert repr(quick) == repr(frozen).replace("_Frozen", "_Quick")
    assert not hasattr(quick, "__dict__")


@given(origins(), clicks())
def test_a_value_is_made_by_position_in_the_order_of_its_fields(origin: Origin, click: Click) -> None:
    """What makes values fast makes them by position."""
    for one in (origin, click):
        assert type(one)(*(getattr(one, field.name) for field in fields(one))) == one
