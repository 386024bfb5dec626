"""Everything on one machine: a Postgres of its own, the services, and a supervisor that keeps them running."""
