"""The raw partitions of old UTC dates: which there are, how they go, and from when on raw clicks are kept."""
