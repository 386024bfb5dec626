"""Rules tried out: standings as they would be, without anything being changed."""
