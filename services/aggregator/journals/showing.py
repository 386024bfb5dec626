"""How journals are shown for machines, by commands and answers alike."""

from typing import Any

from aggregator.journals.states import HeldBack
from aggregator.journals.store import JournalRow


def fields(row: JournalRow) -> dict[str, Any]:
    """A journal. Its seqs are named as event ids name them: by the stream's letter and the partition."""
    known, held = row.known, row.held_back
    return {
        "journal": known.journal.hex(),
        "state": row.state,
        "is_import": known.is_import,
        "last_captured_at": known.last_captured_at,
        "seqs": {f"{stream.letter}{partition}": seq for (stream, partition), seq in row.seqs.items()},
        "unheard_partitions": known.unheard,
        "missing_seqs": known.missing_seqs,
        "holds_back_to": held and held.since,
        "holds_back_by": held and held.why,
        "retired_at": known.retired_at,
        "retired_why": known.retired_why,
    }


def held_back_fields(held: HeldBack) -> dict[str, Any]:
    """A journal that holds `complete_through` back."""
    return {"journal": held.journal.hex(), "state": held.state, "since": held.since, "why": held.why}
