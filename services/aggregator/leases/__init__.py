"""Which aggregator applies which partition: leases in Postgres, shared evenly among those that are alive."""
