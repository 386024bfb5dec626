"""Intake of what others report: conversions, their reversals, and activities."""
