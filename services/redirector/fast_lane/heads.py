"""The recogniser: which bytes are the plain GET that a browser sends, and what its headers say of a click.

It knows less than HTTP, on purpose: one whole request in one read, and no byte that is not plainly good. Whatever else
comes is not for it, and goes to the real parser as it came. A browser sends the same lines again and again, and so do
many browsers together: a line is checked once and then known by its bytes, and so is what lines say together. Lines
that name a person, or hardly ever come twice (addresses, cookies, traces), are checked each time and not kept.
"""

import re
from dataclasses import dataclass
from typing import Final

from link_events.events import SIGNAL_HEADERS
from redirector.fast_lane.templates import GET_PART, header_part, signals_part
from redirector.self_clicks.own_clicks import COOKIE_NAME
from redirector.visitors.addresses import ADDRESS_CHARS_MAX
from redirector.visitors.clients import agent_bytes

HEAD_BYTES_MAX: Final = 8192
"""Browsers send a tenth of it."""

LINE_BYTES_MAX: Final = 1024
"""A longer line is read by the real parser: what is kept stays small."""

LINES_MAX: Final = 64
"""Browsers send twenty, and proxies add some. Eight thousand heads of a thousand lines each would take 400 MB."""

KEPT_MAX: Final = 8192
"""Lines: beyond, all are forgotten and learnt anew. And heads made of them: the older half goes. No more than 80
MiB, whatever is sent."""

WHOLE_BYTES_MAX: Final = 2048
"""A larger head is put together from its lines each time. Browsers' take half of it."""

SIGNALS_MAX: Final = 256
"""What browsers say together of how they fetch are some ten."""

_LINE: Final = re.compile(rb"([A-Za-z0-9-]+): ([!-~](?:[ -~]*[!-~])?)")
"""A header as clients write it: a narrow name, one space, and a value of printable ASCII (RFC 9110 allows more)."""

_HOST: Final = re.compile(r"[A-Za-z0-9._:\[\]-]+")

_SIGNALS: Final = frozenset(SIGNAL_HEADERS)
_SAID: Final = frozenset({"user-agent", "accept-language", "referer"}) | _SIGNALS
"""What a click takes from its request."""

_SILENT: Final = frozenset({
    *("accept", "accept-encoding", "cache-control", "dnt", "pragma", "priority", "save-data", "sec-gpc", "te", "via"),
    *("sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform", "upgrade-insecure-requests", "x-requested-with"),
    *("x-forwarded-host", "x-forwarded-port", "x-forwarded-proto"),
})  # fmt: skip
"""What says nothing of a click and is the same again and again."""

_NEVER: Final = frozenset(
    {
        "content-length",
        "expect",
        "http2-settings",
        "keep-alive",
        "proxy-connection",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""What may change how the connection is read."""

_KNOWN_NAMES: Final = _SAID | _SILENT | _NEVER | {"host", "connection"}

LINE_END: Final = b"\r\n"

_FORWARDED_LINE: Final = b"X-Forwarded-For: "
_FORWARDED: Final = LINE_END + _FORWARDED_LINE
_OF_ADDRESSES: Final = b"0123456789abcdef.:"
"""What holds nothing else is plain, and told at half the price."""

_OUR_COOKIE: Final = COOKIE_NAME.encode()


class Line:
    """What one line says. Told from others by being another object, which is quick to hash.

    `part`: what of a click's JSON comes from it, and `kept`: what the click keeps of it, where it is no signal.
    """

    __slots__ = ("kept", "name", "part", "value")

    def __init__(self, name: str, value: str = "", part: str = "", kept: str | None = None) -> None:
        self.name = name
        self.value = value
        self.part = part
        self.kept = kept


Key = tuple[Line | None, ...]
"""The lines of a head, None where one is not known."""

SILENT: Final = Line("")
HOST: Final = Line("host")
KEEP: Final = Line("connection", "keep-alive")
CLOSE: Final = Line("connection", "close")
UNKEPT: Final = Line("")
NO_USER_AGENT: Final = Line("user-agent", "", *header_part("user-agent", None))
NO_REFERRER: Final = Line("referer", "", *header_part("referer", None))
NO_LANGUAGE: Final = Line("accept-language", "", *header_part("accept-language", None))


@dataclass(slots=True)
class Head:
    """What the lines of a head say together."""

    unkept: tuple[int, ...]
    """Where the lines stand that are read each time."""
    part: str
    """What of a click's JSON comes from its request's headers."""
    agent: bytes
    """What tells the client apart from others of its address."""
    closes: bool
    """The client wants the connection closed behind the answer."""


class Heads:
    """Recognises heads."""

    def __init__(self) -> None:
        self.lines: dict[bytes, Line] = {}
        self._heads: dict[bytes | Key, Head] = {}
        self._older_heads: dict[bytes | Key, Head] = {}
        self._signals: dict[tuple[Line, ...], str] = {}
        self._line = self.lines.get

    @property
    def heads_kept(self) -> int:
        """How many heads are remembered."""
        return len(self._heads) + len(self._older_heads)

    def read(self, text: bytes) -> tuple[Head, str] | None:
        """What a head says, and its X-Forwarded-For (empty without one); None where it is not plain.

        `text` is what follows the request line: from the line end before the first header to the two behind the last.
        """
        before, forwarded, behind = text.partition(_FORWARDED)
        address, _, after = behind.partition(LINE_END)
        whole = LINE_END.join((before, after)) if forwarded else text
        head = self._heads.get(whole) or self._again(whole)
        if head is None:
            return self._read_lines(text.split(LINE_END), whole, is_forwarded=bool(forwarded))
        if forwarded and (len(address) > ADDRESS_CHARS_MAX or not address or address.translate(None, _OF_ADDRESSES)):
            return (head, address.decode()) if _is_plain(_FORWARDED_LINE + address) else None
        return head, address.decode()

    def _read_lines(self, lines: list[bytes], whole: bytes, *, is_forwarded: bool) -> tuple[Head, str] | None:
        """As `read`, line by line. `whole` is the text without its first X-Forwarded-For, if there is one."""
        if lines[0] or len(lines) > LINES_MAX:
            return None
        key = tuple(map(self._line, lines))
        head = self._heads.get(key) or self._again(key) or self._compose(key)
        forwarded = None if head is None else _forwarded(head, lines)
        if head is None or forwarded is None:
            key = self._learn(lines)
            head = self._compose(key)
            forwarded = None if head is None else _forwarded(head, lines)
        if head is None or forwarded is None:
            return None
        if len(head.unkept) > is_forwarded:
            self._keep(key, head)
        elif len(whole) <= WHOLE_BYTES_MAX:
            self._keep(whole, head)
        return head, forwarded

    def _learn(self, lines: list[bytes]) -> Key:
        """Check each line, as far as all are plain, and keep those that may be kept."""
        if len(self.lines) + len(lines) > KEPT_MAX:
            self.lines.clear()
            self._forget_heads()
        for text in lines[1:-2]:
            if text not in self.lines:
                told = _read_line(text)
                if told is None:
                    break
                if told is not UNKEPT:
                    self.lines[text] = told
        return tuple(map(self._line, lines))

    def _compose(self, key: Key) -> Head | None:
        """What lines that are known say together. Those that are not are left to be read each time."""
        told = [line for line in key if line is not None and line is not SILENT]
        named = {line.name: line for line in told}
        if len(named) < len(told) or "host" not in named or key[0] or key[-1]:
            return None
        user_agent = named.get("user-agent", NO_USER_AGENT)
        language = named.get("accept-language", NO_LANGUAGE)
        signals = self._signals_part(tuple([line for line in told if line.name in _SIGNALS]))
        return Head(
            tuple([at for at in range(1, len(key) - 2) if key[at] is None]),
            f"{GET_PART}{user_agent.part}{named.get('referer', NO_REFERRER).part}{language.part}{signals}",
            agent_bytes(user_agent.kept, language.kept),
            named.get("connection") is CLOSE,
        )

    def _again(self, key: bytes | Key) -> Head | None:
        """A head that has not come for long, kept for longer."""
        head = self._older_heads.get(key)
        if head is not None:
            self._keep(key, head)
        return head

    def _keep(self, key: bytes | Key, head: Head) -> None:
        if len(self._heads) >= KEPT_MAX:
            self._older_heads, self._heads = self._heads, {}
        self._heads[key] = head

    def _signals_part(self, signals: tuple[Line, ...]) -> str:
        part = self._signals.get(signals)
        if part is None:
            if len(self._signals) >= SIGNALS_MAX:
                self._signals.clear()
            part = self._signals[signals] = signals_part({line.name: line.value for line in signals})
        return part

    def _forget_heads(self) -> None:
        """Let go of what was made of lines that are no longer known."""
        self._heads.clear()
        self._older_heads.clear()
        self._signals.clear()


def _read_line(text: bytes) -> Line | None:
    """What a line says, or None where it is not plain."""
    parts = _LINE.fullmatch(text) if len(text) <= LINE_BYTES_MAX else None
    if parts is None:
        return None
    name, value = parts[1].decode().lower(), parts[2].decode()
    if name in _SAID:
        return Line(name, value) if name in _SIGNALS else Line(name, value, *header_part(name, value))
    if name in _SILENT:
        return SILENT
    if name == "host":
        return HOST if _HOST.fullmatch(value) else None
    if name == "connection":
        return {"keep-alive": KEEP, "close": CLOSE}.get(value.lower())
    return None if name in _NEVER else UNKEPT


def _forwarded(head: Head, lines: list[bytes]) -> str | None:
    """X-Forwarded-For among the lines that are read each time, or nothing; None where one of them is not plain."""
    forwarded = ""
    for at in head.unkept:
        text = lines[at]
        if not _is_plain(text):
            return None
        if not forwarded and text.startswith(_FORWARDED_LINE):
            forwarded = text.removeprefix(_FORWARDED_LINE).decode()
        elif not _says_nothing(text):
            return None
    return forwarded


def _is_plain(text: bytes) -> bool:
    return len(text) <= LINE_BYTES_MAX and _LINE.fullmatch(text) is not None


def _says_nothing(text: bytes) -> bool:
    """Whether a line that is not kept, and is good, may be passed over."""
    name = text[: text.index(b":")].decode().lower()
    if name == "cookie":
        return _OUR_COOKIE not in text
    return name != "x-forwarded-for" and name not in _KNOWN_NAMES
