"""Where Kafka's jars and archives are kept, and how two `up` at once make them once.

Reads and writes the user's cache folder, or one in the data directory where the user has none. Whatever a killed `up`
left there unfinished is removed by the next one that makes something.
"""

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from local.errors import KafkaError
from local.kafka.jars import fetch_jars, folder_name, jars_in, kafka_version
from local.kafka.java import find_java
from local.kafka.kit import Kit
from local.kafka.training import archive_in, train
from local.locks import LockTakenError, taken
from local.settings import cache_folder
from processes.private_files import make_private_directory

LOCK_POLL_SECONDS: Final = 0.2


async def ready_kit(home: Path, say: Callable[[str], None]) -> Kit:
    """What a broker is run with, from the cache; made there if missing, which `say` tells of.

    Raises:
        KafkaError: Java or Maven is missing, or the jars could not be fetched.
    """
    java = find_java()
    try:
        cache = _cache(home)
        folder = cache / folder_name()
        if not jars_in(folder):
            async with _alone(cache) as making:
                if not jars_in(folder):  # perhaps another `up` made them while this one waited
                    await fetch_jars(folder, making, say)
        kit = Kit(java, kafka_version(), jars_in(folder))
        archive = archive_in(folder, kit)
        if not archive.exists():
            async with _alone(cache) as making:
                if not archive.exists():
                    await train(folder, kit, making, say)
    except OSError as error:
        raise KafkaError(f"Kafka's jars cannot be kept in {cache_folder() or home}: {error.strerror}.") from error
    return replace(kit, archive=archive if archive.exists() else None)


def _cache(home: Path) -> Path:
    """The user's cache folder for Kafka, made if missing; one in `home` where they have none that can be written."""
    folder = cache_folder()
    if folder is not None:
        cache = folder / "advolink" / "kafka"
        try:
            cache.mkdir(parents=True, exist_ok=True)
            (cache / "lock").touch()
        except OSError:
            pass  # no home, as service users have none, or one that is not theirs
        else:
            return cache
    cache = home / "cache"
    make_private_directory(home)
    make_private_directory(cache)
    return cache


@asynccontextmanager
async def _alone(cache: Path) -> AsyncIterator[Path]:
    """An empty folder in `cache` to make something in, while no other `up` does. Gone afterwards."""
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(taken(cache / "lock"))
                break
            except LockTakenError:
                await asyncio.sleep(LOCK_POLL_SECONDS)
        making = _made_anew(cache)
        held.callback(shutil.rmtree, making, ignore_errors=True)
        yield making


def _made_anew(cache: Path) -> Path:
    for unfinished in cache.glob("making-*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    making = cache / f"making-{secrets.token_hex(4)}"
    make_private_directory(making)
    return making
