"""From the event log into Postgres: decode, judge, fold, and one transaction a batch."""
