"""The programme: the calendar by which counts are cut."""
