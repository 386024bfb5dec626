"""Advocates: who they are, and what holds of them from which day on."""
