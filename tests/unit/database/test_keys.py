"""A key's token is taken apart without a database, and admin may do everything."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from database.keys import LiveKey, Scope, split_token

SECRET = "s" * 43


def test_a_token_is_a_key_id_and_a_secret() -> None:
    """Only the secret's hash goes any further."""
    assert split_token(f"adv_0123456789ab_{SECRET}") == ("0123456789ab", hashlib.sha256(SECRET.encode()).digest())


@pytest.mark.parametrize(
    "token",
    [
        "",
        "adv_",
        f"adv_0123456789ab_{SECRET}s",
        f"adv_0123456789ab_{SECRET[1:]}",
        f"adv_0123456789ab_{SECRET[1:]}=",
        f"adv_0123456789AB_{SECRET}",
        f"adv_0123456789a_{SECRET}",
        f"adv_0123456789ab-{SECRET}",
        f"ADV_0123456789ab_{SECRET}",
        f" adv_0123456789ab_{SECRET}",
        f"adv_0123456789ab_{SECRET}\n",
        f"adv_0123456789ab_{SECRET[1:]}\0",
        f"adv_0123456789ab_{SECRET[1:]}é",
    ],
)
def test_what_is_not_shaped_like_a_token_has_no_key_id(token: str) -> None:
    """It never reaches Postgres."""
    assert split_token(token) == (None, b"")


@given(st.text(max_size=80))
def test_any_text_can_be_asked_about(text: str) -> None:
    """Whatever stands in the header."""
    key_id, _ = split_token(text)
    assert key_id is None or text.startswith(f"adv_{key_id}_")


@given(st.sets(st.sampled_from(Scope)), st.sampled_from(Scope))
def test_a_key_may_do_what_its_scopes_name_and_admin_everything(scopes: set[Scope], wanted: Scope) -> None:
    """No scope but admin implies another."""
    allowed = LiveKey("0123456789ab", frozenset(scopes)).allows(wanted)
    assert allowed == (wanted in scopes or Scope.ADMIN in scopes)
