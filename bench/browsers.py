"""Requests as browsers send them through a trusted proxy, made ready beforehand for wrk.

Codes and browsers are drawn by Zipf(1): some links are asked for more than others, and few versions of browsers make
up most of what is out there. A browser has its language, and a link its channel, hence its referrer. All of it comes
from a fixed seed: every candidate of a run, and every run, is sent the same.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from itertools import accumulate
from pathlib import Path
from typing import Final

CODES: Final = 100_000
AGENTS: Final = 5_000
ADDRESSES: Final = 50_000
REQUESTS: Final = 100_000
"""As many are made ready and then sent again: enough that no cache of lately seen visitors helps."""

OVER_IPV6: Final = 0.3
"""The share of addresses that are IPv6's."""

REFERRERS: Final = ("https://www.linkedin.com/", "https://t.co/", "https://www.facebook.com/", None, None)
"""Of links in turn: apps and mail send none."""

LANGUAGES: Final = {
    "en-US,en;q=0.9": 45,
    "en-GB,en-US;q=0.9,en;q=0.8": 12,
    "de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7": 12,
    "fr-FR,fr;q=0.9,en;q=0.8": 9,
    "es-ES,es;q=0.9": 7,
    "pt-BR,pt;q=0.9,en-US;q=0.8": 6,
    "ja": 5,
    "nl-NL,nl;q=0.9,en;q=0.8": 4,
}
"""Accept-Language → how many of a hundred browsers send it."""

PROXY: Final = "127.0.0.1/32"
"""Whose X-Forwarded-For is to be believed."""

_FETCH: Final[Sequence[tuple[str, str]]] = (
    ("Sec-Fetch-Site", "cross-site"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-User", "?1"),
    ("Sec-Fetch-Dest", "document"),
)
_PAGES: Final = "text/html,application/xhtml+xml,application/xml;q=0.9"


@dataclass(frozen=True)
class Browser:
    """One version of one browser: its user agent, and the headers that it sends to every page."""

    user_agent: str
    headers: Sequence[tuple[str, str]]


def codes() -> list[str]:
    """Every code that there is, the most asked for first."""
    return [f"B{number:07}" for number in range(CODES)]


def browsers(rng: random.Random) -> list[Browser]:
    """AGENTS browsers, no two with the same user agent; most are Chrome."""
    kinds = (_chrome, _chrome, _chrome, _safari, _firefox)
    known: dict[str, Browser] = {}
    while len(known) < AGENTS:
        browser = rng.choice(kinds)(rng)
        known[browser.user_agent] = browser
    return list(known.values())


def write_requests(path: Path, *, method: str = "GET", scattered: bool = False) -> Path:
    """REQUESTS requests, one behind the other; gives back `path`.

    Where they are `scattered`, each browser is as frequent as any other and has any language and referrer: hardly any
    two are alike but for their single lines.
    """
    path.write_bytes("".join(_requests(method, scattered=scattered)).encode("ascii"))
    return path


def each_code_once() -> list[bytes]:
    """A request for each code that REQUESTS requests ask for."""
    browser = browsers(random.Random(11))[0]
    return [_head("GET", code, browser, []).encode("ascii") for code in dict.fromkeys(_drawn(random.Random(7)))]


def _requests(method: str, *, scattered: bool) -> Iterator[str]:
    rng = random.Random(11)
    known = browsers(rng)
    spoken = rng.choices(list(LANGUAGES), list(LANGUAGES.values()), k=REQUESTS)
    addresses = [any_address(rng) for _ in range(ADDRESSES)]
    numbers = rng.choices(range(AGENTS), cum_weights=None if scattered else _zipf(AGENTS), k=REQUESTS)
    for at, code in enumerate(_drawn(random.Random(7))):
        number = numbers[at]
        referrer = REFERRERS[at % len(REFERRERS) if scattered else int(code[1:]) % len(REFERRERS)]
        headers = [
            ("Accept-Language", spoken[at if scattered else number]),
            ("X-Forwarded-For", rng.choice(addresses)),
            *([("Referer", referrer)] if referrer else []),
        ]
        yield _head(method, code, known[number], headers)


def _drawn(rng: random.Random) -> list[str]:
    """The codes that are asked for, by Zipf(1)."""
    return rng.choices(codes(), cum_weights=_zipf(CODES), k=REQUESTS)


def _zipf(count: int) -> list[float]:
    return list(accumulate(1 / rank for rank in range(1, count + 1)))


def _head(method: str, code: str, browser: Browser, headers: Sequence[tuple[str, str]]) -> str:
    lines = [f"{method} /{code} HTTP/1.1", "Host: go.example.com", "Connection: keep-alive"]
    lines += [f"{name}: {value}" for name, value in (*browser.headers, *headers)]
    return "\r\n".join((*lines, "", ""))


def any_address(rng: random.Random) -> str:
    """A client's address, of either kind."""
    if rng.random() < OVER_IPV6:
        return str(IPv6Address((0x2A01_0000 + rng.getrandbits(12)) << 96 | rng.getrandbits(96)))
    return str(IPv4Address(rng.randint(0x1400_0000, 0x5FFF_FFFF)))


def _chrome(rng: random.Random) -> Browser:
    major = rng.randint(90, 140)
    system, platform, mobile = rng.choice(
        (
            ("Windows NT 10.0; Win64; x64", "Windows", ""),
            ("Macintosh; Intel Mac OS X 10_15_7", "macOS", ""),
            ("Linux; Android 10; K", "Android", " Mobile"),
        )
    )
    user_agent = (
        f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) "
        f"Chrome/{major}.0.{rng.randint(1000, 7000)}.{rng.randint(1, 200)}{mobile} Safari/537.36"
    )
    return Browser(
        user_agent,
        (
            ("sec-ch-ua", f'"Chromium";v="{major}", "Google Chrome";v="{major}", "Not.A/Brand";v="99"'),
            ("sec-ch-ua-mobile", "?1" if mobile else "?0"),
            ("sec-ch-ua-platform", f'"{platform}"'),
            ("Upgrade-Insecure-Requests", "1"),
            ("User-Agent", user_agent),
            ("Accept", f"{_PAGES},image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"),
            *_FETCH,
            ("Accept-Encoding", "gzip, deflate, br, zstd"),
        ),
    )


def _safari(rng: random.Random) -> Browser:
    major, minor, build = rng.randint(15, 26), rng.randint(0, 7), rng.randint(100, 999)
    user_agent = (
        f"Mozilla/5.0 (iPhone; CPU iPhone OS {major}_{minor} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        f"Version/{major}.{minor} Mobile/15E{build} Safari/604.1"
    )
    return Browser(
        user_agent,
        (
            ("Accept", f"{_PAGES},*/*;q=0.8"),
            *(header for header in _FETCH if header[0] != "Sec-Fetch-User"),
            ("User-Agent", user_agent),
            ("Accept-Encoding", "gzip, deflate, br"),
        ),
    )


def _firefox(rng: random.Random) -> Browser:
    version = f"{rng.randint(91, 145)}.{rng.randint(0, 9)}"
    user_agent = f"Mozilla/5.0 (X11; Linux x86_64; rv:{version}) Gecko/20100101 Firefox/{version}"
    return Browser(
        user_agent,
        (
            ("User-Agent", user_agent),
            ("Accept", f"{_PAGES},*/*;q=0.8"),
            ("Accept-Encoding", "gzip, deflate, br, zstd"),
            ("Upgrade-Insecure-Requests", "1"),
            *_FETCH,
        ),
    )
