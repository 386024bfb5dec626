"""Every connection is a file descriptor, and a process may have only so many."""

import logging
import resource
from typing import Final

DESCRIPTORS_BESIDE: Final = 512
"""What a process opens beside the connections it serves: journals, Postgres, Kafka, listeners."""

log = logging.getLogger(__name__)


def connections_that_fit(connections_max: int) -> int:
    """See that `connections_max` may be open at once, and say how many may: fewer where the system allows no more.

    The soft limit is raised as far as that takes; the hard one is not ours to raise.
    """
    needed = connections_max + DESCRIPTORS_BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    fit = max(allowed - DESCRIPTORS_BESIDE, 1)
    if fit < connections_max:
        log.warning(
            "%d connections at once need %d file descriptors, and the hard limit is %d: there will be %d connections at"
            " most; raise the limit (ulimit -n, LimitNOFILE) or set fewer",
            *(connections_max, needed, hard, fit),
        )
    return fit
