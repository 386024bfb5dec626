"""Holes as people see them, and how a person closes one."""
