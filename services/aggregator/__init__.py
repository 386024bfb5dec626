"""Consumes events, judges clicks, keeps counts and answers for them."""
