"""What the steps of a start work with."""

from contextlib import ExitStack
from dataclasses import dataclass

from local.data_directory import DataDirectory
from local.options import Options
from local.supervisor import Supervisor
from local.terminal import Terminal


@dataclass(frozen=True, slots=True)
class Launch:
    """One start. `held` keeps what must stay locked until everything has ended."""

    options: Options
    directory: DataDirectory
    supervisor: Supervisor
    terminal: Terminal
    held: ExitStack
