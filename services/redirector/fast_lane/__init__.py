"""The plain GET of a link in memory, answered without a framework (docs/adr/0012). All else is FastAPI's."""
