"""Origins of web pages, as browsers send them: scheme, host, and the port where it is not the scheme's own."""

import re
from typing import Final

ORIGIN_CHARS_MAX: Final = 261
"""`https://` and a host name of 253 characters."""

_ORIGIN: Final = re.compile(
    r"(?P<scheme>https?)://"
    r"(?:(?:[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?|\[[0-9a-f:]{2,39}\])"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
)
_OWN_PORTS: Final = {"http": "80", "https": "443"}
_PORT_MAX: Final = 65_535


def is_origin(text: str) -> bool:
    """Whether a browser may send `text` as the origin of a page. What it never sends would wait for ever on a list."""
    found = _ORIGIN.fullmatch(text)
    if found is None or len(text) > ORIGIN_CHARS_MAX:
        return False
    port = found["port"]
    return port is None or (port != _OWN_PORTS[found["scheme"]] and int(port) <= _PORT_MAX)
