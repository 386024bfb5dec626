"""Short links: what one is, where it is stored, what is kept in memory, and how a code becomes a link."""
