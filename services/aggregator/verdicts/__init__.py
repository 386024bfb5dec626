"""How a stored verdict changes: one way for whoever wants it, kept with what it was and why."""
