"""A click id names one click, only ours are valid, and anybody can verify one from what is written about it."""

import base64
import hashlib
import timeit
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link_events.click_ids import (
    CLICK_ID_CHARS,
    ClickIdIssuer,
    ClickIdOutcome,
    NamedClick,
    VerifiedClickId,
    utc_day_of,
    verify_click_id,
)
from link_events.identity import JournalId, Origin, Seq, parse_event_id
from link_events.signing import SigningKeyId, SigningSecrets
from link_events.streams import PARTITIONS_MAX, Partition, Stream
from stage.event_schemas import EXAMPLES, read_json
from stage.events import origins
from stage.markdown import blocks, code_words, read

VECTORS: Final = read_json(EXAMPLES / "click-ids.v1.json")
KEYS: Final[SigningSecrets] = {
    SigningKeyId(key["key_id"]): None if key["secret"] is None else bytes.fromhex(key["secret"])
    for key in VECTORS["keys"]
}
ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

KEY_ID: Final = SigningKeyId(3)
SECRET: Final = bytes(range(32))
JOURNAL: Final = JournalId(bytes.fromhex("00c0ffee00c0ffee"))
ISSUED: Final = ClickIdIssuer(KEY_ID, SECRET, JOURNAL, 12).issue(Partition(7), Seq(42), 20_783)


def outcome_of(text: str) -> ClickIdOutcome:
    """What `text` is found to be by the one key there is."""
    return verify_click_id(text, {KEY_ID: SECRET}).outcome


def valid_vectors() -> list[dict[str, Any]]:
    return [vector for vector in VECTORS["click_ids"] if vector["outcome"] == "valid"]


@pytest.mark.parametrize("vector", VECTORS["click_ids"], ids=lambda vector: vector["why"])
def test_a_golden_vector_is_found_to_be_what_it_says(vector: dict[str, Any]) -> None:
    found = verify_click_id(vector["click_id"], KEYS)
    assert found.outcome == vector["outcome"]
    if found.click is None:
        assert "event_id" not in vector
    else:
        assert found.click.origin.event_id == vector["event_id"]
        assert found.click.utc_day.isoformat() == vector["utc_day"]
        assert found.click.key_id == vector["key_id"]


def test_the_golden_vectors_know_every_outcome() -> None:
    assert {vector["outcome"] for vector in VECTORS["click_ids"]} == set(ClickIdOutcome)


@pytest.mark.parametrize("vector", valid_vectors(), ids=lambda vector: vector["why"])
def test_a_golden_vector_is_issued_as_it_is_written(vector: dict[str, Any]) -> None:
    origin = parse_event_id(vector["event_id"])
    secret = KEYS[SigningKeyId(vector["key_id"])]
    assert origin is not None
    assert secret is not None
    issuer = ClickIdIssuer(SigningKeyId(vector["key_id"]), secret, origin.journal, PARTITIONS_MAX)
    day = datetime.fromisoformat(f"{vector['utc_day']}T12:00:00+00:00")
    assert issuer.issue(origin.partition, origin.seq, utc_day_of(day)) == vector["click_id"]


@pytest.mark.parametrize("vector", valid_vectors(), ids=lambda vector: vector["why"])
def test_a_golden_vector_follows_from_the_written_definition(vector: dict[str, Any]) -> None:
    """docs/click-ids.md, followed by hand and without a line of ours."""
    secret = next(bytes.fromhex(key["secret"]) for key in VECTORS["keys"] if key["key_id"] == vector["key_id"])
    journal, rest = vector["event_id"].split("-c")
    partition, seq = rest.split("-")
    day = (date.fromisoformat(vector["utc_day"]) - date(1970, 1, 1)).days
    signed = b"".join(
        (
            vector["key_id"].to_bytes(1, "big"),
            bytes.fromhex(journal),
            int(partition).to_bytes(1, "big"),
            int(seq).to_bytes(6, "big"),
            day.to_bytes(2, "big"),
        )
    )
    key = hashlib.blake2b(b"advolink click id v1", digest_size=32, key=secret).digest()
    mac = hashlib.blake2b(signed, digest_size=32, key=key).digest()[:12]
    assert base64.b64encode(signed + mac, b"-_").decode() == vector["click_id"]


@given(
    st.integers(0, 255).map(SigningKeyId),
    st.binary(min_size=32, max_size=32),
    origins().map(lambda origin: replace(origin, stream=Stream.CLICKS)),
    st.integers(0, 2**16 - 1),
)
def test_an_id_names_the_click_it_was_issued_for(
    key_id: SigningKeyId, secret: bytes, origin: Origin, utc_day: int
) -> None:
    click_id = ClickIdIssuer(key_id, secret, origin.journal, PARTITIONS_MAX).issue(
        origin.partition, origin.seq, utc_day
    )
    assert len(click_id) == CLICK_ID_CHARS
    named = NamedClick(key_id, origin, date(1970, 1, 1) + timedelta(days=utc_day))
    assert verify_click_id(click_id, {key_id: secret}) == VerifiedClickId(ClickIdOutcome.VALID, named)


@pytest.mark.parametrize("place", range(CLICK_ID_CHARS))
def test_an_id_with_any_character_exchanged_is_none(place: int) -> None:
    """Its first character and half of the second are the key's id: exchanged, they name a key that is not there."""
    found = {outcome_of(ISSUED[:place] + other + ISSUED[place + 1 :]) for other in ALPHABET if other != ISSUED[place]}
    expected = {ClickIdOutcome.UNKNOWN_KEY} if place == 0 else {ClickIdOutcome.FORGED}
    assert found == expected | ({ClickIdOutcome.UNKNOWN_KEY} if place == 1 else set())


@pytest.mark.parametrize("bit", range(30 * 8))
def test_an_id_with_any_bit_flipped_is_none(bit: int) -> None:
    value = bytearray(base64.urlsafe_b64decode(ISSUED))
    value[bit // 8] ^= 1 << bit % 8
    flipped = base64.urlsafe_b64encode(value).decode()
    assert outcome_of(flipped) is (ClickIdOutcome.UNKNOWN_KEY if bit < 8 else ClickIdOutcome.FORGED)


@pytest.mark.parametrize("length", range(CLICK_ID_CHARS))
def test_a_truncated_id_is_malformed(length: int) -> None:
    assert outcome_of(ISSUED[:length]) is ClickIdOutcome.MALFORMED
    assert outcome_of(ISSUED[CLICK_ID_CHARS - length :]) is ClickIdOutcome.MALFORMED


@pytest.mark.parametrize(
    "text",
    [
        f"{ISSUED}A",
        f"{ISSUED}=",
        f" {ISSUED}",
        f"{ISSUED}\n",
        f"{ISSUED[:39]}+",
        f"{ISSUED[:39]}/",
        f"{ISSUED[:39]}=",
        f"{ISSUED[:39]}é",
        f"{ISSUED[:39]}\N{FULLWIDTH DIGIT ONE}",
        f"{ISSUED[:39]}\0",
        "00c0ffee00c0ffee-c7-42",
    ],
    ids=ascii,
)
def test_what_has_another_form_is_malformed(text: str) -> None:
    """Padding, the other base64 alphabet, spaces, digits of other scripts: an id has one spelling."""
    assert outcome_of(text) is ClickIdOutcome.MALFORMED


@given(st.text())
def test_no_text_is_too_odd_to_be_looked_at(text: str) -> None:
    assert outcome_of(text) is not ClickIdOutcome.VALID


def test_the_id_of_another_installation_is_forged_or_of_an_unknown_key() -> None:
    foreign = ClickIdIssuer(KEY_ID, bytes(32), JOURNAL, 12).issue(Partition(7), Seq(42), 20_783)
    assert outcome_of(foreign) is ClickIdOutcome.FORGED
    assert verify_click_id(ISSUED, {SigningKeyId(4): SECRET}).outcome is ClickIdOutcome.UNKNOWN_KEY


def test_an_id_under_an_older_key_is_valid_until_that_key_is_retired() -> None:
    keys: dict[SigningKeyId, bytes | None] = {KEY_ID: SECRET, SigningKeyId(4): bytes(32)}
    assert verify_click_id(ISSUED, keys).outcome is ClickIdOutcome.VALID
    keys[KEY_ID] = None
    assert verify_click_id(ISSUED, keys) == VerifiedClickId(ClickIdOutcome.RETIRED_KEY)


@given(st.datetimes(datetime(1970, 1, 1), datetime(2149, 6, 5)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001 - a zone follows
def test_a_day_is_the_utc_day_in_whatever_zone_the_instant_is_written(instant: datetime, offset_min: int) -> None:
    in_utc = instant.replace(tzinfo=UTC)
    elsewhere = in_utc.astimezone(timezone(timedelta(minutes=offset_min)))
    assert utc_day_of(elsewhere) == utc_day_of(in_utc) == int(in_utc.timestamp()) // 86_400


def test_an_id_costs_a_redirect_next_to_nothing() -> None:
    """About a microsecond; twenty times that is a busy machine, more is another way of making them."""
    issuer = ClickIdIssuer(KEY_ID, SECRET, JOURNAL, 12)
    best_s = min(timeit.repeat(lambda: issuer.issue(Partition(7), Seq(42), 20_783), number=1_000, repeat=5)) / 1_000
    assert best_s < 20e-6


@pytest.mark.parametrize("vector", VECTORS["click_ids"], ids=lambda vector: vector["why"])
def test_a_golden_vector_is_what_the_program_in_the_docs_finds(vector: dict[str, Any]) -> None:
    program = next(block.text for block in blocks(read("docs/click-ids.md")) if block.language == "python")
    known: dict[str, Any] = {}
    exec(program, known)  # noqa: S102 - our own document
    outcome, event_id, day = known["verify"](vector["click_id"], KEYS)
    assert (outcome, event_id) == (vector["outcome"], vector.get("event_id"))
    if event_id is not None:
        assert (date(1970, 1, 1) + timedelta(days=day)).isoformat() == vector["utc_day"]


@pytest.mark.parametrize("outcome", ClickIdOutcome)
def test_every_outcome_is_told_of(outcome: ClickIdOutcome) -> None:
    assert outcome in code_words(read("docs/click-ids.md"))
