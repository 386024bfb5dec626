"""Historical clicks from a file: a journal of its own, so that importing again changes nothing.

`bitly` reads one line of one format, `survey` decides which lines are clicks, `store` pins that decision in Postgres,
`importing` writes the events.
"""
