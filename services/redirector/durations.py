"""How long things took, for Prometheus: a histogram that takes many of one duration at the price of one."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector


class Durations(Collector):
    """A histogram in seconds. `bounds` are the buckets' upper ends, the last bucket has none."""

    def __init__(self, name: str, documentation: str, bounds: Sequence[float], registry: CollectorRegistry) -> None:
        self._name = name
        self._documentation = documentation
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._sum_s = 0.0
        registry.register(self)

    def observe(self, seconds: float, count: int = 1) -> None:
        """Note what took `seconds`, `count` times."""
        self._counts[bisect_left(self._bounds, seconds)] += count
        self._sum_s += seconds * count

    def describe(self) -> Iterator[HistogramMetricFamily]:
        """Its name, by which the registry knows it."""
        yield HistogramMetricFamily(self._name, self._documentation)

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """What Prometheus reads."""
        ends = [*map(str, map(float, self._bounds)), "+Inf"]
        buckets = list(zip(ends, map(float, accumulate(self._counts)), strict=True))
        yield HistogramMetricFamily(self._name, self._documentation, buckets=buckets, sum_value=self._sum_s)
