"""The redirector's local append-only file of events.

`frames` are bytes, `segments` are files of frames, `recovery` opens what an earlier process left, `journal` appends,
`reading` gives back what was appended, `acks` remembers how far it was shipped, `adoption` decides who owns which
directory.
"""
