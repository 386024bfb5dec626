"""A histogram that is told of a whole batch at once.

prometheus_client's own takes one value at a time, half a microsecond each; this takes next to nothing.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from math import inf

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector


class BatchHistogram(Collector):
    """Counts of values by upper bound, under one name without labels."""

    def __init__(self, name: str, documentation: str, *, buckets: Sequence[float], registry: CollectorRegistry) -> None:
        self._name = name
        self._documentation = documentation
        self._bounds = (*map(float, buckets), inf)
        self._counts = [0] * len(self._bounds)
        self._sum = 0.0
        registry.register(self)

    def observe_all(self, values: Iterable[float]) -> None:
        """Count every one of `values`."""
        ordered = sorted(values)
        for index, bound in enumerate(self._bounds):
            self._counts[index] += bisect_right(ordered, bound)
        self._sum += sum(ordered)

    def describe(self) -> Iterable[HistogramMetricFamily]:
        """What the registry keeps others from being called."""
        return self.collect()

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """What Prometheus reads; each bucket also holds those below it."""
        names = [*map(str, self._bounds[:-1]), "+Inf"]
        yield HistogramMetricFamily(
            self._name, self._documentation, buckets=list(zip(names, self._counts, strict=True)), sum_value=self._sum
        )
