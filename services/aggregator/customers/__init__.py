"""Customers that conversions name, known by a keyed hash of their ids alone."""
