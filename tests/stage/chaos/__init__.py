"""Chaos: a stack under load and under faults, and what has to be true of its numbers afterwards (docs/chaos.md)."""
