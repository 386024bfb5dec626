"""Root finds somebody to run Postgres as, and never root."""

from pathlib import Path

import pytest

from local.errors import PostgresError
from local.postgres import account
from local.postgres.account import owner_of, unprivileged_account


def test_a_known_user_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "KNOWN_NAMES", ("no-such-user", "nobody", "daemon"))
    assert unprivileged_account().name == "nobody"


def test_root_by_any_name_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "KNOWN_NAMES", ("root", "nobody"))
    assert unprivileged_account().name == "nobody"


def test_where_no_user_can_be_made_it_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "KNOWN_NAMES", ())
    monkeypatch.setattr(account, "OWN_NAME", "no-such-user")
    monkeypatch.setenv("PATH", "/nowhere")
    assert unprivileged_account().name == "nobody"


def test_where_there_is_nobody_at_all_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KNOWN_NAMES", "OWN_NAME", "LAST_RESORT"):
        monkeypatch.setattr(account, name, () if name == "KNOWN_NAMES" else "no-such-user")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(PostgresError, match="no user no-such-user could be made; make one, or run as a user"):
        unprivileged_account()


def test_the_owner_of_data_is_known_also_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr("pwd.getpwuid", unknown)
    assert owner_of(Path(account.__file__)).uid == Path(account.__file__).stat().st_uid
