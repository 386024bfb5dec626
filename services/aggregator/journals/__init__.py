"""The journals that the database knows: their states, what they hold back, and how a person retires one."""
