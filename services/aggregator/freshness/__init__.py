"""How far the counts are complete, and as of when an answer speaks."""
