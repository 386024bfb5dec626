"""Conversions as they are received: which event stands for each, and what takes it back."""
