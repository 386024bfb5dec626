"""Whether counts are what raw clicks add up to (guarantee 5): on demand, and all the time."""
