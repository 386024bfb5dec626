"""Counts as they are asked for: per advocate or link, by day, week, quarter or in total."""
