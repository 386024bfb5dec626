"""Raw clicks as they are asked for: one with all that is known of it, or those behind a count."""
