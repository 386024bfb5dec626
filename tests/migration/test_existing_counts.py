"""Counts that were there before changes had numbers get them: each partition's from 1, without a gap."""

import shutil
from pathlib import Path

from database.migrations import migrate, read_migrations
from database.schema_files import MIGRATIONS_DIRECTORY
from stage.sql import execute, fetch

BEFORE_CHANGES = 2
CLICKS = """
    SELECT click_day_ensure('2022-02-14');
    INSERT INTO click (
        journal, partition, seq, occurred_on, log_offset, occurred_at, captured_at, logged_at, local_day, link_id, code,
        advocate_id, link_state, method, user_agent_cut, signals, networks, self_click, test, verdict, reasons,
        rules_version
    )
    SELECT '\\x00', part, link, '2022-02-14', link, '2022-02-14T09:30Z', '2022-02-14T09:30Z', '2022-02-14T09:30Z',
        '2022-02-14', link, 'code', advocate, 'active', 'GET', false, '{}', '{}', false, false, 'counted', '{}', 'x'
    FROM (VALUES ('ada', 4, 1), ('ada', 4, 2), ('bo', 7, 3)) AS stored (advocate, part, link);
    INSERT INTO advocate_day
    VALUES ('ada', '2022-02-14', 2, 2, 0, 0), ('bo', '2022-02-14', 1, 1, 0, 0), ('cy', '2022-02-14', 0, 0, 0, 0);
    INSERT INTO advocate_quarter VALUES ('ada', '2022-01-01', 2, 2, 0, 0), ('bo', '2022-01-01', 1, 1, 0, 0);
    INSERT INTO link_day
    VALUES (1, '2022-02-14', 1, 1, 0, 0), (2, '2022-02-14', 1, 1, 0, 0), (3, '2022-02-14', 1, 1, 0, 0);
"""
NUMBERED = """
    SELECT partition, array_agg(change ORDER BY change) FROM (
        SELECT partition, change FROM advocate_day
        UNION ALL SELECT partition, change FROM advocate_quarter
        UNION ALL SELECT partition, change FROM link_day
    ) AS numbered GROUP BY partition ORDER BY partition
"""


async def test_counts_so_far_are_numbered_in_the_partition_of_their_clicks(
    empty_database_dsn: str, tmp_path: Path
) -> None:
    """And the counters go on from there. A row without clicks behind it is put into the first partition.

    Nobody has credited anything by then: every row stands there with its clicks and with zeros beside them.
    """
    for migration in read_migrations(MIGRATIONS_DIRECTORY)[:BEFORE_CHANGES]:
        shutil.copy(MIGRATIONS_DIRECTORY / migration.file_name, tmp_path)
    await migrate(empty_database_dsn, tmp_path)
    await execute(empty_database_dsn, CLICKS)
    await migrate(empty_database_dsn)
    assert await fetch(empty_database_dsn, NUMBERED) == [(0, [1]), (4, [1, 2, 3, 4]), (7, [1, 2, 3])]
    counters = "SELECT partition, last_change FROM counts_change_counter ORDER BY partition"
    assert await fetch(empty_database_dsn, counters) == [(0, 1), (4, 4), (7, 3)]
    for table in ("advocate_day", "advocate_quarter", "link_day"):
        columns = "raw_clicks > 0, credited_millionths, value_minor, by_click_millionths, by_click_value_minor"
        stored = await fetch(empty_database_dsn, f"SELECT DISTINCT {columns} FROM {table} WHERE raw_clicks > 0")  # noqa: S608
        assert stored == [(True, 0, 0, 0, 0)]
