"""What the lane needs of a connection: that it can be answered, and where it comes from."""

from collections.abc import Sequence
from typing import Protocol


class Asker(Protocol):
    """A connection that can be answered, and the address that it comes from."""

    peer: str | None

    @property
    def server_headers(self) -> Sequence[tuple[bytes, bytes]]:
        """What the server says with every answer, its date."""

    def answer(self, answer: bytes, body: bytes, *, closes: bool) -> None:
        """Send the answer, and then close where the client wants it."""

    def hand_over(self, request: bytes) -> None:
        """Leave the request to the real parser after all."""

    def give_up(self) -> None:
        """There will be no answer."""
