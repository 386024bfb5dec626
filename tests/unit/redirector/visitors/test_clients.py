"""One browser is one visitor for one local day, and nothing of its keys leads back to it or on to another day."""

import gc
import re
import time
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from typing import Any, Final
from weakref import ref
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link_events.periods import local_day, zone_named
from redirector.visitors.addresses import MAPPED, Networks, network_named
from redirector.visitors.client import Client
from redirector.visitors.clients import Clients, agent_bytes
from redirector.visitors.salts import SALT_BYTES, Salts
from stage.events import BROWSER

NOON: Final = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
TODAY: Final = NOON.date()
SALT: Final = bytes(range(SALT_BYTES))
CLIENT: Final = "203.0.113.9"
PROXY: Final = "10.1.0.9"
DAY: Final = timedelta(days=1)
SAID: Final = f"de\0{BROWSER}".encode().ljust(129, b"\0")
"""Language and user agent of 114 bytes, behind which no address has room in the first block, and their padding."""


class Telling:
    """Clients, what they were told and what they count."""

    def __init__(self, shared: dict[date, bytes] | None = None, zone: str = "UTC") -> None:
        self.salts = Salts({TODAY: SALT} if shared is None else shared)
        self.zone = zone_named(zone) or ZoneInfo("UTC")
        self.unresolved = self.unheard = 0
        self.clients = Clients(
            self.salts,
            lambda: self.zone,
            Networks([network_named("10.1.0.0/16")]),
            Networks([network_named("192.168.0.0/16"), network_named("fd00::/8")]),
            unresolved=self._count_unresolved,
            forwarded_by_strangers=self._count_unheard,
        )

    def __call__(
        self,
        peer: str | None = CLIENT,
        forwarded_for: str | None = None,
        *,
        agent: str | None = BROWSER,
        language: str | None = "de",
        at: datetime = NOON,
    ) -> Client:
        return self.clients.identify(peer, forwarded_for, agent, language, at)

    def _count_unresolved(self) -> None:
        self.unresolved += 1

    def _count_unheard(self) -> None:
        self.unheard += 1


@pytest.fixture
def tell() -> Telling:
    return Telling()


# ------------------------------------------------------------ who is who


@given(st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=512))
def test_user_agent_and_address_end_in_one_block_of_the_hash(user_agent: str) -> None:
    """So that each visitor costs one round of it; and the padding says nothing that a user agent could say."""
    agent = agent_bytes(user_agent, "de")
    assert 0 < len(agent) % 128 <= 112
    assert agent.rstrip(b"\0") == f"de\0{user_agent}".encode().rstrip(b"\0")


def test_a_key_is_a_keyed_hash_of_user_agent_language_and_address(tell: Telling) -> None:
    """As docs/privacy.md says it, for whoever writes another redirector."""
    packed = MAPPED + bytes([203, 0, 113, 9])
    hashed = SAID + packed
    client = tell()
    assert client == Client(
        visitor=blake2b(hashed, key=SALT, digest_size=16, person=b"visitor").hexdigest(),
        visitor_local=False,
        network_key=blake2b(packed[:15], key=SALT, digest_size=8, person=b"network").hexdigest(),
        networks=(),
    )
    assert re.fullmatch("[0-9a-f]{32}", client.visitor or "")
    assert re.fullmatch("[0-9a-f]{16}", client.network_key or "")


def test_one_browser_is_one_visitor_however_its_address_is_spelt(tell: Telling) -> None:
    """Directly or through proxies, with a port, or as IPv6 maps it, and whatever it claims ahead of its address."""
    spelt = [
        *(tell(peer) for peer in (CLIENT, f"::ffff:{CLIENT}", "::ffff:cb00:7109")),
        *(tell(PROXY, f"{said}") for said in (CLIENT, f"6.6.6.6, {CLIENT}:443", f"x,{CLIENT},10.1.0.8")),
        tell(f"::ffff:{PROXY}", f"::ffff:{CLIENT}"),
    ]
    assert set(spelt) == {tell()}
    assert tell("2001:DB8::1") == tell(PROXY, "[2001:db8:0::0:1]:443") == tell("2001:db8::1%eth0")


def test_another_address_user_agent_or_language_is_another_visitor(tell: Telling) -> None:
    """Also where two parts run into each other, or one is missing."""
    others = [
        tell(),
        tell("203.0.113.8"),
        tell("2001:db8::1"),
        tell("2001:db8::2"),
        tell(agent="curl/8"),
        tell(agent=None),
        tell(language="en"),
        tell(language=None),
        tell(language=None, agent=f"de{BROWSER}"),
        tell(language="d", agent=f"e{BROWSER}"),
        tell(agent=None, language=None),
    ]
    assert len({client.visitor for client in others}) == len(others)


texts = st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)


@given(texts, texts, texts, texts)
def test_no_two_pairs_of_user_agent_and_language_are_one_visitor(
    agent: str | None, language: str | None, other_agent: str | None, other_language: str | None
) -> None:
    tell = Telling()
    same = (agent, language) == (other_agent, other_language)
    assert (tell(agent=agent, language=language) == tell(agent=other_agent, language=other_language)) is same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("203.0.113.1", "203.0.113.254", True),
        ("203.0.113.1", "203.0.112.1", False),
        ("2001:db8:1:2::1", "2001:db8:1:ffff::1", True),
        ("2001:db8:1::1", "2001:db8:2::1", False),
        ("203.0.113.1", "::ffff:203.0.113.7", True),
        ("::1", "127.0.0.1", False),
    ],
)
def test_a_network_is_a_24_or_a_48(one: str, other: str, same: bool) -> None:  # noqa: FBT001 - a table's column
    """What one site has."""
    tell = Telling()
    assert (tell(one).network_key == tell(other).network_key) is same


def test_a_network_is_told_without_a_click(tell: Telling) -> None:
    """For requests that are none: by the same key, and counting nothing."""
    for peer, forwarded_for in ((CLIENT, None), (PROXY, CLIENT), (CLIENT, "6.6.6.6"), (PROXY, "unknown"), (None, None)):
        assert tell.clients.network_key(peer, forwarded_for, NOON) == Telling()(peer, forwarded_for).network_key
    assert (tell.unresolved, tell.unheard) == (0, 0)


def test_a_network_key_says_nothing_of_visitors(tell: Telling) -> None:
    """They are hashed apart: even of equal input, neither is the beginning of the other."""
    seen = [tell(f"203.0.{number}.9") for number in range(100)]
    assert not any((one.visitor or "").startswith(other.network_key or "x") for one in seen for other in seen)


def test_a_click_from_an_internal_network_says_so(tell: Telling) -> None:
    """A fact; what it means for the verdict is the judge's."""
    for peer in ("192.168.7.1", "::ffff:192.168.7.1", "fd12::1"):
        assert tell(peer).networks == ("internal",)
    assert tell(PROXY, "192.168.7.1").networks == ("internal",)
    assert tell(CLIENT, "192.168.7.1").networks == tell("10.0.0.1").networks == tell("127.0.0.1").networks == ()


# ------------------------------------------------------------ who cannot be told


@pytest.mark.parametrize(
    ("peer", "forwarded_for"),
    [
        *((peer, None) for peer in (None, "", "unknown", "/run/nginx.sock", "testclient", "\ud800")),
        *((PROXY, said) for said in (None, "", "unknown", "6.6.6.6, unknown", f"{CLIENT},", "\0", "1" * 60_000)),
    ],
)
def test_who_cannot_be_told_is_nobody(tell: Telling, peer: str | None, forwarded_for: str | None) -> None:
    """No visitor, hence no repeats: it is said with the click, and counted."""
    assert tell(peer, forwarded_for) == Client(networks=("unresolved",))
    assert (tell.unresolved, tell.unheard) == (1, 0)


def test_a_stranger_who_says_for_whom_it_asks_is_not_heard(tell: Telling, caplog: pytest.LogCaptureFixture) -> None:
    """Else anybody could be anybody. It is counted, and said once, without the address: it may be a proxy of ours."""
    for said in ("6.6.6.6", "unknown", "", CLIENT):
        assert tell(CLIENT, said) == tell()
    assert (tell.unresolved, tell.unheard) == (0, 4)
    (told,) = [record.getMessage() for record in caplog.records]
    assert "ADVOLINK_REDIRECTOR_TRUSTED_PROXIES" in told
    assert "6.6.6.6" not in told
    assert CLIENT not in told


# ------------------------------------------------------------ days


def test_another_day_is_another_visitor() -> None:
    """And another network: no key of one day is one of another."""
    tell = Telling({TODAY: SALT, TODAY + DAY: bytes(SALT_BYTES)})
    today, tomorrow = tell(), tell(at=NOON + DAY)
    assert today.visitor != tomorrow.visitor
    assert today.network_key != tomorrow.network_key
    assert tell() == today


@given(
    st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kolkata", "Pacific/Apia", "America/Sao_Paulo"]),
    st.lists(st.datetimes(datetime(2005, 1, 1), datetime(2030, 1, 1)).map(lambda one: one.replace(tzinfo=UTC))),  # noqa: DTZ001
    st.lists(st.integers(-7_200, 7_200)),
)
def test_the_salt_is_that_of_the_local_day_of_the_click(
    zone: str, instants: list[datetime], seconds: list[int]
) -> None:
    """Whatever the clock does: forward, back, over midnight, and where clocks change; to the microsecond."""
    tell = Telling({}, zone)
    for instant in [*instants, *(instants[0] + timedelta(seconds=number) for number in seconds if instants)]:
        expected = blake2b(digest_size=16, person=b"visitor", key=tell.salts.of(local_day(instant, tell.zone)).secret)
        expected.update(SAID + MAPPED + bytes([203, 0, 113, 9]))
        assert tell(at=instant).visitor == expected.hexdigest()


@pytest.mark.parametrize(
    ("zone", "midnight"),
    [
        ("UTC", "2026-11-27T00:00:00+00:00"),
        ("Asia/Kathmandu", "2026-11-26T18:15:00+00:00"),
        ("Europe/Berlin", "2026-10-25T23:00:00+00:00"),  # after the day of 25 hours
        ("Europe/Berlin", "2026-03-29T22:00:00+00:00"),  # after the one of 23
        ("Africa/Cairo", "2026-04-23T22:00:00+00:00"),  # midnight itself is skipped
    ],
)
def test_a_day_ends_at_midnight_exactly(zone: str, midnight: str) -> None:
    """The last microsecond is the old day's, the next the new one's."""
    tell = Telling({}, zone)
    instant = datetime.fromisoformat(midnight)
    moment = timedelta.resolution
    before, last, first, after = (
        tell(at=instant + step) for step in (-60 * 10**6 * moment, -moment, 0 * moment, moment)
    )
    assert before == last
    assert first == after
    assert last.visitor != first.visitor


def test_a_change_of_zone_takes_the_salt_of_the_day_it_is_there() -> None:
    """A salt is a calendar day's, wherever that day begins: nothing has to be made anew."""
    tell = Telling({TODAY: SALT, TODAY + DAY: bytes(SALT_BYTES)})
    late = datetime(2026, 11, 26, 20, 0, tzinfo=UTC)
    today = tell(at=late)
    tell.zone = ZoneInfo("Asia/Tokyo")
    tell.clients.renew()
    assert tell(at=late) == tell(at=NOON + DAY)
    tell.zone = ZoneInfo("UTC")
    tell.clients.renew()
    assert tell(at=late) == today


# ------------------------------------------------------------ salts that come and go


def test_without_a_shared_salt_a_visitor_is_local_until_there_is_one() -> None:
    """The click says so. From the moment the shared salt is known, keys are those of all redirectors."""
    tell, other = Telling({}), Telling({})
    assert (tell().visitor_local, tell()) == (True, tell())
    assert tell() != other()
    for one in (tell, other):
        one.salts.share({TODAY: SALT})
        one.clients.renew()
    assert tell() == other() == Telling()()
    assert tell().visitor_local is False


def test_nothing_of_a_salt_that_was_let_go_of_is_left_in_memory() -> None:
    """Neither the salt nor a hash prepared with it, whether or not anybody has clicked since."""
    salt = bytearray(SALT[::-1])
    tell = Telling({TODAY: bytes(salt)})
    tell()
    day: Any = tell.clients._day  # noqa: SLF001 - what is not to be there any more
    prepared = ref(day)
    held = day.salt.secret
    assert gc.get_referrers(held)
    del day
    tell.salts.let_go(TODAY + DAY)
    tell.clients.renew()
    gc.collect()
    assert prepared() is None
    assert [one for one in gc.get_referrers(held) if one is not locals()] == []


# ------------------------------------------------------------ its cost


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends ever new user agents from ever new networks makes it forget, and changes no key."""
    monkeypatch.setattr("redirector.visitors.clients.AGENTS_MAX", 10)
    monkeypatch.setattr("redirector.visitors.clients.NETWORKS_MAX", 10)
    tell = Telling()
    before = tell()
    for number in range(100):
        tell(f"203.0.{number}.1", agent=f"agent {number}")
    day: Any = tell.clients._day  # noqa: SLF001 - its size shows nowhere else
    assert len(day._agents) <= 10  # noqa: SLF001
    assert len(day._networks) <= 10  # noqa: SLF001
    assert tell() == before


def test_a_client_that_was_never_seen_costs_microseconds() -> None:
    """Ten times what it takes on a quiet machine is still less than the rest of a redirect."""
    tell = Telling()
    addresses = [f"{number >> 16}.{number >> 8 & 255}.{number & 255}.9" for number in range(70_000, 90_000)]
    started_s = time.process_time()
    for address in addresses:
        tell.clients.identify(PROXY, address, BROWSER, "de", NOON)
    assert (time.process_time() - started_s) / len(addresses) < 20e-6
