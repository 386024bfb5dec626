"""A proof says who its bearer is for a while, for one purpose; a cookie makes clicks on one's own links known."""

import base64
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link_events.identity import ADVOCATE_ID_PATTERN, AdvocateId
from link_events.signing import Keyring, Purpose, SigningKeyId, derived_key
from redirector.self_clicks.own_clicks import COOKIE_NAME, OwnClicks
from redirector.self_clicks.proofs import ProofOutcome, VerifiedProof, sign_proof, verify_proof

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
NOW: Final = datetime(2026, 11, 26, 12, tzinfo=UTC)
SOON: Final = NOW + timedelta(minutes=10)
RING: Final = Keyring(SigningKeyId(3), {SigningKeyId(2): None, SigningKeyId(3): bytes(range(32))})
ADA: Final = AdvocateId("ada")
PROOF: Final = sign_proof(RING, Purpose.SELF_LINK, ADA, SOON)


def outcome_of(text: str, ring: Keyring = RING, purpose: Purpose = Purpose.SELF_LINK) -> ProofOutcome:
    return verify_proof(text, ring, purpose, NOW).outcome


def own(cookies: str | None, advocate_id: str = "ada", *, ring: Keyring | None = RING, now: datetime = NOW) -> bool:
    keys = cast("Any", SimpleNamespace(ring=ring))
    return OwnClicks(keys).is_own(cookies, AdvocateId(advocate_id), now)


@given(
    st.from_regex(ADVOCATE_ID_PATTERN, fullmatch=True).map(AdvocateId),
    st.integers(0, 2**32 * 10**6 - 1).map(lambda us: EPOCH + timedelta(microseconds=us)),
)
def test_a_proof_names_its_advocate_until_its_time_is_over(advocate_id: AdvocateId, expires_at: datetime) -> None:
    proof = sign_proof(RING, Purpose.SELF_COOKIE, advocate_id, expires_at)
    end = expires_at.replace(microsecond=0)
    before, at_end = (
        verify_proof(proof, RING, Purpose.SELF_COOKIE, instant) for instant in (end - timedelta(microseconds=1), end)
    )
    assert before == VerifiedProof(ProofOutcome.VALID, advocate_id)
    assert at_end == VerifiedProof(ProofOutcome.EXPIRED)


@pytest.mark.parametrize("bit", range(24 * 8))
def test_a_proof_with_any_bit_flipped_is_none(bit: int) -> None:
    """The first byte is the key's id."""
    value = bytearray(base64.urlsafe_b64decode(PROOF))
    assert len(value) == 24
    value[bit // 8] ^= 1 << bit % 8
    expected = ProofOutcome.UNKNOWN_KEY if bit < 8 else ProofOutcome.FORGED
    assert outcome_of(base64.urlsafe_b64encode(value).decode()) is expected


@pytest.mark.parametrize("length", range(len(PROOF)))
def test_a_truncated_proof_is_none(length: int) -> None:
    assert outcome_of(PROOF[:length]) in {ProofOutcome.MALFORMED, ProofOutcome.FORGED}
    assert outcome_of(PROOF[-length - 1 : -1]) is not ProofOutcome.VALID


@given(st.text() | st.from_regex(r"[A-Za-z0-9_-]{20,120}", fullmatch=True))
def test_no_text_is_too_odd_to_be_looked_at(text: str) -> None:
    assert outcome_of(text) is not ProofOutcome.VALID


def test_what_was_signed_for_one_purpose_is_forged_for_another() -> None:
    """A token is no cookie: whoever sees an address does not hold half a year's cookie."""
    assert outcome_of(PROOF, purpose=Purpose.SELF_LINK) is ProofOutcome.VALID
    assert {outcome_of(PROOF, purpose=other) for other in set(Purpose) - {Purpose.SELF_LINK}} == {ProofOutcome.FORGED}


def test_every_purpose_has_a_key_of_its_own() -> None:
    keys = {derived_key(RING.secret, purpose) for purpose in Purpose}
    assert len(keys - {RING.secret}) == len(Purpose)


def test_an_older_key_verifies_until_it_is_retired() -> None:
    newer = Keyring(SigningKeyId(4), {**RING.secrets, SigningKeyId(4): bytes(32)})
    retired = Keyring(SigningKeyId(4), {**newer.secrets, SigningKeyId(3): None})
    foreign = Keyring(SigningKeyId(3), {SigningKeyId(3): bytes(32)})
    outcomes = [outcome_of(PROOF, ring) for ring in (newer, retired, foreign)]
    assert outcomes == [ProofOutcome.VALID, ProofOutcome.UNKNOWN_KEY, ProofOutcome.FORGED]


COOKIE: Final = sign_proof(RING, Purpose.SELF_COOKIE, ADA, SOON)


@pytest.mark.parametrize(
    "cookies",
    [
        f"{COOKIE_NAME}={COOKIE}",
        f"a=1; {COOKIE_NAME}={COOKIE}; b=2",
        f"a=1;{COOKIE_NAME}={COOKIE}",
        f"{COOKIE_NAME}=nonsense; {COOKIE_NAME}={COOKIE}",
    ],
)
def test_a_click_with_the_cookie_is_ones_own_on_ones_own_link(cookies: str) -> None:
    """On somebody else's link it is a click like any other."""
    assert own(cookies)
    assert not own(cookies, "ada2")
    assert not own(cookies, "ADA")
    assert not own(cookies, now=SOON)
    assert not own(cookies, ring=None)


@pytest.mark.parametrize(
    "cookies",
    [
        None,
        "",
        COOKIE_NAME,
        f"{COOKIE_NAME}=",
        f"{COOKIE_NAME}=ada",
        f"x{COOKIE_NAME}={COOKIE}",
        f"{COOKIE_NAME}2={COOKIE}",
        f"a={COOKIE_NAME}={COOKIE}",
        f"{COOKIE_NAME}={PROOF}",
        f'{COOKIE_NAME}="{COOKIE}"',
        f"{COOKIE_NAME}={COOKIE}x",
        f"{COOKIE_NAME}=nonsense; " * 4 + f"{COOKIE_NAME}={COOKIE}",
        f"{COOKIE_NAME}=\0\xff{COOKIE}",
        f"{COOKIE_NAME}={'A' * 60_000}",
    ],
    ids=lambda cookies: repr(cookies)[:40],
)
def test_a_click_without_a_good_cookie_is_nobodys_own(cookies: str | None) -> None:
    """Missing, forged, a link's token in its place, one behind more of the name than any browser sends."""
    assert not own(cookies)


@given(st.text())
def test_no_header_is_too_odd_to_be_looked_at(text: str) -> None:
    assert not own(text)
    assert not own(f"{COOKIE_NAME}={text}")
