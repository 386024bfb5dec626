"""The words both services say: streams, events, codec, reasons, periods.

Standard library, orjson and tzdata only. Nothing here opens a file, a socket or a clock.
"""
