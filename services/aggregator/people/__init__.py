"""Who advocates are from which day on, as it is stored: their teams and roles, and whether they take part."""
