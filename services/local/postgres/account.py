"""Who runs Postgres. Postgres refuses root, so that root borrows an unprivileged user."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import Final

from local.errors import PostgresError
from processes.programs import Account

OWN_NAME: Final = "advolink"
KNOWN_NAMES: Final = (OWN_NAME, "postgres")
LAST_RESORT: Final = "nobody"


def unprivileged_account() -> Account:
    """Whom root runs Postgres as: a user that fits, else one made for it, else nobody.

    Raises:
        PostgresError: there is none and none can be made.
    """
    for name in KNOWN_NAMES:
        if account := _account(name):
            return account
    account = _make_account(OWN_NAME) or _account(LAST_RESORT)
    if account is None:
        raise PostgresError(
            f"Postgres does not run as root, and no user {OWN_NAME} could be made; make one, or run as a user."
        )
    return account


def owner_of(path: Path) -> Account:
    """The user to whom `path` belongs, known by name or not."""
    status = path.stat()
    try:
        return _from_entry(pwd.getpwuid(status.st_uid))
    except KeyError:
        return Account(str(status.st_uid), status.st_uid, status.st_gid)


def is_root() -> bool:
    """Whether this process runs as root."""
    return os.geteuid() == 0


def _account(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return _from_entry(entry) if entry.pw_uid != 0 else None


def _from_entry(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _make_account(name: str) -> Account | None:
    useradd = shutil.which("useradd")
    if useradd is None:
        return None
    command = [useradd, "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", name]
    subprocess.run(command, check=False, capture_output=True)  # noqa: S603 - fixed arguments
    return _account(name)
