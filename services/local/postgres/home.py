"""Where a Postgres lives and whose it is.

An ordinary user's stands in D/postgres. Root's stands in /var/lib/advolink/<token>, for Postgres runs as another
user then, who can reach nothing below a closed home; D/postgres/token remembers which. Data, once made, stays where
it is and its owner's. Modes of directories that were there before are never changed.
"""

import secrets
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local.errors import PostgresError
from local.postgres.account import is_root, owner_of, unprivileged_account
from processes.private_files import make_private_directory, read_private, write_private
from processes.programs import Account

ROOTS_HOMES: Final = Path("/var/lib/advolink")
OPEN_DIRECTORY: Final = 0o755
PASSABLE_DIRECTORY: Final = 0o711
TOKEN_BYTES: Final = 6


@dataclass(frozen=True, slots=True)
class Home:
    """`notes` holds what only the starter reads (password, port), `place` what the server works on."""

    notes: Path
    place: Path
    account: Account | None
    """Who runs the server; None: whoever starts it."""

    @property
    def data(self) -> Path:
        """The server's data directory."""
        return self.place / "data"

    @property
    def socket_directory(self) -> Path:
        """Where the server's unix socket is. Closed to others, so that who gets there needs no password."""
        return self.place / "socket"

    @property
    def lock(self) -> Path:
        """Held by the one `up` that runs the server."""
        return self.place / "up.lock"

    @property
    def major(self) -> int | None:
        """The major version of Postgres that made the data; None where there is none yet."""
        version = read_private(self.data / "PG_VERSION")
        return int(version) if version else None

    def make_owned_directory(self, path: Path) -> None:
        """Make `path` below `place` if it is missing, closed to all but who runs the server."""
        make_private_directory(path)
        if self.account is not None:
            shutil.chown(path, self.account.uid, self.account.gid)


def settle(notes: Path) -> Home:
    """The home of the Postgres that `notes` (D/postgres) remembers, or a new one.

    Raises:
        PostgresError: what it remembers is gone, or belongs to root.
    """
    make_private_directory(notes)
    home = _home(notes)
    home.make_owned_directory(home.socket_directory)
    return home


def _home(notes: Path) -> Home:
    token = read_private(notes / "token")
    if not is_root():
        if token:
            raise PostgresError(f"The Postgres of {notes.parent} was made by root; run `advolink up` as root.")
        return Home(notes, notes, None)
    if (notes / "data").exists():  # an ordinary user's
        return Home(notes, notes, owner_of(notes / "data"))
    if token is None:
        place = _make_roots_home(notes)
        write_private(notes / "token", place.name)
        return Home(notes, place, unprivileged_account())
    place = ROOTS_HOMES / token
    if not place.is_dir():
        raise PostgresError(
            f"The Postgres data of {notes.parent} stood in {place} and is gone; bring it back, or choose another"
            " --data-dir."
        )
    data = place / "data"
    return Home(notes, place, owner_of(data) if data.exists() else unprivileged_account())


def _make_roots_home(notes: Path) -> Path:
    place = ROOTS_HOMES / secrets.token_hex(TOKEN_BYTES)
    try:
        with suppress(FileExistsError):
            ROOTS_HOMES.mkdir()
            ROOTS_HOMES.chmod(OPEN_DIRECTORY)  # just made, and passable whatever the umask
        place.mkdir()
        place.chmod(PASSABLE_DIRECTORY)
    except OSError as error:
        raise PostgresError(f"{place} cannot be made for Postgres: {error.strerror}.") from error
    (place / "belongs-to").write_text(f"{notes.parent}\n", encoding="utf-8")
    return place
