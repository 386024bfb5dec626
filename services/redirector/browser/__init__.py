"""Conversions that browsers report themselves: the script that pages load, and what bounds an intake without a key."""
