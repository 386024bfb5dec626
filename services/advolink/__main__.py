"""`advolink …`. Each command is loaded when it is asked for, so that none waits for another's libraries."""

from importlib import import_module
from importlib.metadata import version
from typing import Final

import click

COMMANDS: Final = {
    "up": "local.commands:up",
    "import": "redirector.commands:import_group",
    "journal": ("redirector.commands:journal_group", "aggregator.journals.commands:journal_group"),
    "dead-letters": "aggregator.dead_letters.commands:dead_letters_group",
    "holes": "aggregator.holes.commands:holes_group",
    "offsets": "aggregator.offsets.commands:offsets_group",
    "check": "aggregator.checking.commands:check",
    "rebuild": "aggregator.rebuilding.commands:rebuild",
    "rates": "aggregator.rates.commands:rates_group",
    "contest": "aggregator.trying.commands:contest_group",
    "conversions": "aggregator.attributing.commands:conversions_group",
    "customers": "aggregator.customers.commands:customers_group",
    "migrate": "event_log.commands:migrate",
    "topics": "event_log.commands:topics_group",
    "keys": ("database.commands:keys_group", "redirector.signing.commands:keys_group"),
}
"""Command name → module:object, in the order people need them; several groups of one name are one."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are looked up."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Every command, in the order of COMMANDS."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        places = COMMANDS[cmd_name]
        if isinstance(places, str):
            return _loaded(places)
        groups = [group for group in map(_loaded, places) if isinstance(group, click.Group)]
        return click.CommandCollection(cmd_name, sources=groups, help=groups[0].help)


def _loaded(place: str) -> click.Command | None:
    module, _, name = place.partition(":")
    command = getattr(import_module(module), name)
    return command if isinstance(command, click.Command) else None


@click.group(cls=LazyGroup)
@click.version_option(version("advolink"), prog_name="advolink")
def main() -> None:
    """Short links per advocate: redirects that never fail, clicks that are never lost, counts that can be traced."""


if __name__ == "__main__":
    main()
