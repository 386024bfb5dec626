"""Counts made anew from stored verdicts, beside the live tables, while events keep arriving (docs/adr/0009)."""
