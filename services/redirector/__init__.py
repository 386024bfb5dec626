"""Issues per-advocate short links, redirects who clicks, journals the clicks and ships them to the event log."""
