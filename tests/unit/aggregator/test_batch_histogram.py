"""A histogram that counts batches says what one that counts values says."""

from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.samples import Sample

from aggregator.batch_histogram import BatchHistogram

BUCKETS = (0.25, 0.5, 1, 30)
WHAT = "How long it took."


def _samples(registry: CollectorRegistry) -> list[Sample]:
    (family,) = registry.collect()
    assert (family.name, family.type, family.documentation) == ("took_seconds", "histogram", WHAT)
    return [sample for sample in family.samples if not sample.name.endswith("_created")]


@given(st.lists(st.lists(st.sampled_from([-1.0, 0.0, 0.125, 0.25, 0.5, 1.0, 1.5, 30.0, 31.0]))))
@example([])
def test_any_batches_count_as_their_values_do(batches: list[list[float]]) -> None:
    """The same buckets under the same labels, count and sum; a value on a bound belongs below it."""
    # All of them sums of powers of two: added up in any order they make the same float.
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    histogram = BatchHistogram("took_seconds", WHAT, buckets=BUCKETS, registry=ours)
    reference = Histogram("took_seconds", WHAT, buckets=BUCKETS, registry=theirs)
    for batch in batches:
        histogram.observe_all(batch)
        for one in batch:
            reference.observe(one)
    assert _samples(ours) == _samples(theirs)
