"""Who clicked, without knowing who: from a client's address to keys that nobody can turn back later."""
