"""What can keep `advolink up` from running. Each message is one plain sentence for the person at the terminal.

LocalError
├── DataDirectoryError    the data directory cannot be used, or another `up` has it
├── PortError             a port is taken, or asked for twice
├── PostgresError         no Postgres to be had, or it will not serve
├── KafkaError            no Kafka to be had, or it will not serve
└── StartError            a child would not start or did not become ready
"""


class LocalError(Exception):
    """The tree of what a person has to put right before `up` can run."""


class DataDirectoryError(LocalError):
    """The data directory cannot be used as it is."""


class PortError(LocalError):
    """A port cannot be had."""


class PostgresError(LocalError):
    """There is no Postgres to be had, or the one given cannot be used."""


class KafkaError(LocalError):
    """There is no Kafka to be had, or the one given cannot be used."""


class StartError(LocalError):
    """A child did not become ready. The message ends with the last lines of its log."""
