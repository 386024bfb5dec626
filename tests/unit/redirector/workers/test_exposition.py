"""The metrics of several workers become one text: every sample with its worker, every family described once."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from redirector.workers.exposition import merged


def registry(redirects: int) -> CollectorRegistry:
    """What a worker with so many redirects shows."""
    made = CollectorRegistry()
    Gauge("open", "Open.", registry=made).set(redirects)
    Counter("redirects", "By status.", ["status"], registry=made).labels("302").inc(redirects)
    Histogram("seconds", "Took.", buckets=(0.5, 1), registry=made).observe(redirects)
    return made


def text(redirects: int) -> str:
    return generate_latest(registry(redirects)).decode()


def test_every_sample_carries_its_worker() -> None:
    own = '# HELP up Up.\n# TYPE up gauge\nup{worker="1"} 1.0\n'
    families = {one.name: one for one in text_string_to_metric_families(merged(own, {1: text(3), 2: text(4)}))}
    samples = {
        (sample.name, sample.labels["worker"], sample.labels.get("status") or sample.labels.get("le", "")): sample.value
        for family in families.values()
        for sample in family.samples
        if not sample.name.endswith("_created")
    }
    assert samples == {
        ("up", "1", ""): 1,
        **{("open", str(worker), ""): value for worker, value in ((1, 3), (2, 4))},
        **{("redirects_total", str(worker), "302"): value for worker, value in ((1, 3), (2, 4))},
        **{("seconds_sum", str(worker), ""): value for worker, value in ((1, 3), (2, 4))},
        **{("seconds_count", str(worker), ""): 1 for worker in (1, 2)},
        **{("seconds_bucket", str(worker), le): 0 for worker in (1, 2) for le in ("0.5", "1.0")},
        **{("seconds_bucket", str(worker), "+Inf"): 1 for worker in (1, 2)},
    }


def test_every_family_is_described_once_and_its_samples_stand_together() -> None:
    """Prometheus refuses a second TYPE of one name, and samples that are scattered."""
    lines = merged("", {1: text(3), 2: text(4)}).splitlines()
    described = [line for line in lines if line.startswith("# TYPE")]
    assert len(described) == len(set(described))
    families = [
        "seconds" if line.startswith("seconds_") else line.partition("{")[0] for line in lines if line[0] != "#"
    ]
    blocks = [name for at, name in enumerate(families) if at == 0 or families[at - 1] != name]
    assert [name for name in blocks if name == "open"] == ["open"]
    assert [name for name in blocks if name == "redirects_total"] == ["redirects_total"]


def test_what_nobody_answered_is_not_there() -> None:
    own = "# HELP up Up.\n# TYPE up gauge\nup 0.0\n"
    assert merged(own, {}) == own


def test_a_label_value_with_braces_and_blanks_is_left_as_it_is() -> None:
    made = CollectorRegistry()
    Counter("odd", "Odd.", ["what"], registry=made).labels('a {b} "c" d').inc()
    (family, _) = text_string_to_metric_families(merged("", {7: generate_latest(made).decode()}))
    assert family.samples[0].labels == {"worker": "7", "what": 'a {b} "c" d'}
