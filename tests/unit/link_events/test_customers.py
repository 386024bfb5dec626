"""A customer is known by a keyed hash: the same for ever, and nothing to whoever lacks the key."""

from link_events.customers import customer_hash

SECRET = bytes(range(32))


def test_the_hash_never_changes() -> None:
    """It stands in journals and tables that are kept for years."""
    assert customer_hash("ada@example.com", SECRET).hex() == "92c5990d31e1108828c33412c2f20d93"


def test_another_text_or_another_key_gives_another_hash() -> None:
    hashes = {customer_hash(text, SECRET) for text in ("ada", "Ada", "ada ", "äda")}
    assert len(hashes | {customer_hash("ada", bytes(32))}) == 5
