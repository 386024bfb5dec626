"""How the Postgres log loses what it had taken, as when only its tables are restored from an older copy."""

from typing import Final

FORGET_THE_TAIL: Final = """
DELETE FROM log_record AS r USING log_partition AS p
WHERE p.stream = r.stream AND p.partition = r.partition AND r.log_offset >= p.next_offset / 2;
UPDATE log_partition SET next_offset = next_offset / 2;
UPDATE log_journal AS j SET last_seq = coalesce(
    (
        SELECT max(seq) FROM log_record AS r
        WHERE (r.journal, r.stream, r.partition) = (j.journal, j.stream, j.partition)
    ), 0
);
"""
"""Of every partition, the later half of its records."""

FORGET_ALL: Final = "TRUNCATE log_record; UPDATE log_partition SET next_offset = 0; DELETE FROM log_journal"
