"""Shares, sessions and engagements that an advocacy board reports: each is stored and counted once (docs/adr/0022)."""
