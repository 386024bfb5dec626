"""Every metric of the aggregator: name, unit, labels and meaning in one place. docs/operations.md lists them.

What alerts look at is there from the start, as 0: Prometheus sees no increase in what begins at 1.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from aggregator.applying.interruptions import Interruption
from aggregator.batch_histogram import BatchHistogram
from link_events.reasons import ConversionState, DeadLetterReason, FactKind, VerdictCause

_NEVER_DECIDED = {ConversionState.RECEIVED, ConversionState.DUPLICATE, ConversionState.CONFLICT}


class FactMetrics:
    """What becomes of what others report."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.applied = Counter(
            "advolink_facts_applied",
            "Conversions, reversals and activities that were kept, by what they are.",
            ["kind"],
            registry=registry,
        )
        self.repeated = Counter(
            "advolink_facts_repeated",
            "Of them, those that tell again what was told before, under the same key.",
            ["kind"],
            registry=registry,
        )
        for kind in FactKind:
            self.applied.labels(kind)
            self.repeated.labels(kind)


class ApplyingMetrics:
    """What becomes of records."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.applied = Counter(
            "advolink_applied_events", "Records applied, heartbeats included.", ["stream"], registry=registry
        )
        self.duplicates = Counter(
            "advolink_duplicates_skipped",
            "Records that were applied before and were skipped.",
            ["stream"],
            registry=registry,
        )
        self.holes_filled = Counter(
            "advolink_holes_filled", "Records that came into a hole.", ["stream"], registry=registry
        )
        self.dead_letters = Counter(
            "advolink_dead_letters", "Records that can never be applied as they are.", ["reason"], registry=registry
        )
        for reason in DeadLetterReason:
            self.dead_letters.labels(reason)
        self.facts = FactMetrics(registry)
        self.verdicts = Counter(
            "advolink_verdicts",
            "Clicks judged, by verdict and deciding reason (a named one without its name; empty where counted).",
            ["verdict", "reason"],
            registry=registry,
        )
        self.verdict_changes = Counter(
            "advolink_verdict_changes",
            "Stored verdicts that were changed by what was applied after them, by why.",
            ["cause"],
            registry=registry,
        )
        for changed_by in VerdictCause:
            self.verdict_changes.labels(changed_by)
        self.slots_overtaken = Counter(
            "advolink_slots_overtaken",
            "Slots that went to a click that came later and stands earlier in the log.",
            registry=registry,
        )
        self.batch_duration = Histogram(
            "advolink_batch_duration_seconds",
            "One batch, from its first statement to its commit.",
            buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
            registry=registry,
        )
        self.visible_after = BatchHistogram(
            "advolink_click_visible_after_seconds",
            "From a click's capture to the commit that made it count.",
            buckets=(0.05, 0.1, 0.2, 0.5, 1, 2, 5, 30, 300, 3600),
            registry=registry,
        )
        self.interruptions = Counter(
            "advolink_applying_interruptions",
            "Times applying a partition broke off and began again, by why.",
            ["cause"],
            registry=registry,
        )
        for cause in Interruption:
            self.interruptions.labels(cause)
        self.stopped = Gauge(
            "advolink_partition_stopped",
            "1 where a partition of this aggregator stands still, by why.",
            ["stream", "partition", "reason"],
            registry=registry,
        )


class StandingMetrics:
    """How far the log has been applied; read from Postgres when they are asked for."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.lag = Gauge(
            "advolink_lag_events", "Records in the log and not yet applied.", ["stream", "partition"], registry=registry
        )
        self.open_holes = Gauge(
            "advolink_open_hole_seqs", "Seqs that are missing, by why.", ["kind"], registry=registry
        )
        self.raw_kept_from = Gauge(
            "advolink_raw_kept_from_timestamp_seconds",
            "Raw clicks of UTC dates before this instant were let go.",
            registry=registry,
        )
        self.event_log_reached = Gauge(
            "advolink_event_log_reached", "1 where the event log said how far it reaches.", registry=registry
        )
        self.database_connected = Gauge(
            "advolink_database_connected", "1 where Postgres answered when it was last asked.", registry=registry
        )


class ConversionMetrics:
    """What conversions wait for; read from Postgres likewise."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.marked = Gauge(
            "advolink_conversions_marked", "Marks of conversions that are to be attributed.", registry=registry
        )
        self.oldest_mark = Gauge(
            "advolink_oldest_mark_age_seconds",
            "How long the oldest of them that is of a new fact has been waiting; the others correct.",
            registry=registry,
        )
        self.markings = Gauge(
            "advolink_conversion_markings",
            "Changes of rules or rates, and customers, for which more conversions are still to be marked.",
            registry=registry,
        )
        self.set_aside = Gauge(
            "advolink_conversions_set_aside",
            "Conversions that could not be attributed; they are tried again every ten minutes.",
            registry=registry,
        )
        self.waiting = Gauge(
            "advolink_conversions_waiting",
            "Conversions that wait for a click (`pending_click`) or a rate (`unknown_currency`).",
            ["state"],
            registry=registry,
        )


class CheckingMetrics:
    """What the running check finds. Each aggregator tells of what falls to it: add them up."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.drift_rows = Gauge(
            "advolink_counts_drift_rows",
            "Counts rows that were not what is behind them when they were last looked at. Must be 0.",
            ["counts"],
            registry=registry,
        )
        self.drift_slots = Gauge(
            "advolink_slots_drift",
            "Slots that were not held by their first counted click when they were last looked at. Must be 0.",
            registry=registry,
        )
        self.drift_conversions = Gauge(
            "advolink_conversions_drift",
            "Conversions that had other credits than their state says when they were last looked at. Must be 0.",
            registry=registry,
        )
        self.days_checked = Counter(
            "advolink_counts_days_checked",
            "Days whose counts were compared with what is behind them.",
            registry=registry,
        )
        self.days_beyond = Gauge(
            "advolink_counts_days_beyond_horizon",
            "Days whose counts cannot be compared any more: their raw clicks were let go.",
            registry=registry,
        )
        self.round_ended = Gauge(
            "advolink_counts_checked_at_seconds",
            "When all counts of this aggregator's share had last been compared, since 1970; 0 where not yet.",
            registry=registry,
        )
        self.round_duration = Gauge(
            "advolink_counts_check_duration_seconds", "How long comparing all of them took.", registry=registry
        )


class JournalMetrics:
    """What is known of journals; read from Postgres likewise."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.journals = Gauge("advolink_journals", "Journals that are known, by state.", ["state"], registry=registry)
        self.complete_through = Gauge(
            "advolink_complete_through_timestamp_seconds",
            "The instant up to which everything captured is counted; NaN while no journal is known.",
            registry=registry,
        )
        self.clock_ahead = Gauge(
            "advolink_journal_clock_ahead_seconds",
            "How far the clock of a redirector is ahead of Postgres's, of the one that is most.",
            registry=registry,
        )
        self.redirectors_missing = Gauge(
            "advolink_redirectors_missing",
            "Redirectors that are expected and not live; 0 where none are expected.",
            registry=registry,
        )


class AttributingMetrics:
    """What becomes of conversions."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.attributions = Counter(
            "advolink_attributions",
            "Conversions that were looked at, each as often, by what became of them.",
            ["state"],
            registry=registry,
        )
        for state in ConversionState:
            if state not in _NEVER_DECIDED:
                self.attributions.labels(state)
        self.duration = Histogram(
            "advolink_attribution_duration_seconds",
            "One transaction in which marked conversions are looked at.",
            buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
            registry=registry,
        )
        self.failures = Counter(
            "advolink_attribution_failures",
            "Attributions that broke off, for an outage or for another transaction, and were begun again.",
            registry=registry,
        )


class AggregatorMetrics:
    """All of the above, in one registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.applying = ApplyingMetrics(self.registry)
        self.standing = StandingMetrics(self.registry)
        self.conversions = ConversionMetrics(self.registry)
        self.checking = CheckingMetrics(self.registry)
        self.journals = JournalMetrics(self.registry)
        self.attributing = AttributingMetrics(self.registry)
