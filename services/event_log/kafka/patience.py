"""How long Kafka and its clients are waited for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """Every time-out of the Kafka form, in one place. The defaults are production's; tests that break things have less.

    A partition is found silent only after a request has run out, so `quiet_s_max` is longer than `request_s`.
    """

    request_s: float = 10.0
    """A request, a connection or a batch that took longer has failed. The client's own default, 40 s, would keep one
    broker that swallows packets in the way of all the others for as long."""

    metadata_age_s: float = 30.0
    """A leader that has moved unannounced is found within this."""

    retry_s: float = 0.2
    """Between two tries of the client's own."""

    start_s: float = 15.0
    """Connecting and asking for metadata; each of several brokers in turn may swallow `request_s`."""

    stop_s: float = 30.0
    """A client that was thrown away may finish what is under way: its last request, and one more for what had to wait
    for that. Then it is ended whatever it does."""

    close_s: float = 3.0
    """The same for a process that ends: what is under way then is sent again by its next life."""

    ask_s: float = 10.0
    """A question to the broker that took longer has no answer."""

    quiet_s_max: float = 15.0
    """A partition that is waited on and was not polled for as long is not being fetched: the log is away."""

    counts_s: float = 5.0
    """How many partitions there are is asked again after this. It hardly ever changes, and is asked for by each of them
    after every interruption."""

    small_batches_s: float = 600.0
    """For so long batches stay as small as a topic wanted them; then it is asked again."""
