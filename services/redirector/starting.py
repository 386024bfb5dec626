"""What a redirector's process is to be: all of it, the parent of several workers, or one of those."""

from redirector.settings import RedirectorSettings


async def run(settings: RedirectorSettings, command: list[str]) -> None:
    """Run until a stop signal. `command` is how this process was started, for its workers."""
    # Each needs what the other does not: a parent opens neither journal nor database.
    if settings.has_workers:
        from redirector.workers.parent import run_workers  # noqa: PLC0415

        await run_workers(settings, command)
    else:
        from redirector.app import run_redirector  # noqa: PLC0415

        await run_redirector(settings)
