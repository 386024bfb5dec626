"""How events travel from redirectors to aggregators: one contract, and its Postgres form."""
