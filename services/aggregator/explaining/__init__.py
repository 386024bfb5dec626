"""Conversions as they are asked for: what became of each, by which clicks, and which counts it is in."""
