"""Contests: their rules, which say what scores, for whom, and what is won."""
