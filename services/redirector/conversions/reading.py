"""What a row says, and the fact that it reports. Pure: keys and clock are others'; docs/api.md tells of the fields."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from http_api.texts import AdvocateIdText, ExternalIdText, KindText, SourceText
from link_events.currencies import CURRENCIES
from link_events.customers import CUSTOMER_ID_CHARS_MAX
from link_events.events import TOUCHES_MAX, VALUE_MINOR_MAX, Activity, Conversion, NamedTouch, Reversal
from link_events.identity import (
    AdvocateId,
    ConversionKey,
    Currency,
    CustomerHash,
    ReversalId,
)
from link_events.reasons import ActivityKind, Via
from redirector.conversions.answers import Answer, Refused, RefusedRowError, invalid
from redirector.field_types import Instant, Word
from redirector.rows import TRow, WrongRowError, read_row

EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)

AHEAD_MAX: Final = timedelta(hours=1)
"""How far ahead of our clock a caller's may be. The aggregator takes a day: what we let through never fails there."""

MinorValue = Annotated[int, Field(strict=True, ge=0, le=VALUE_MINOR_MAX)]


class ConversionIn(BaseModel):
    """A conversion that is reported."""

    model_config = ConfigDict(extra="forbid")

    source: SourceText = Field(description="The system that reports: shop, crm, ….")
    kind: KindText = Field(description="What kind of conversion it is: lead, demo, sale, ….")
    external_id: ExternalIdText = Field(description="What that system calls it. With source and kind it counts once.")
    time: Instant = Field(description="When it happened: from 2000 to an hour from now.")
    click_ids: list[str] = Field(
        default_factory=list, max_length=TOUCHES_MAX, description="Of the clicks that may have brought it about."
    )
    customer_id: str | None = Field(
        None,
        min_length=1,
        max_length=CUSTOMER_ID_CHARS_MAX,
        description="Who converted, kept as a keyed hash: later conversions without a click follow the first with one.",
    )
    value_minor: MinorValue | None = Field(None, description="What it is worth, in minor units of the currency.")
    currency: str | None = Field(None, description="A code of ISO 4217, where a value is given.")
    test: bool = Field(default=False, strict=True, description="It is kept and never credited.")


class ReversalIn(BaseModel):
    """A reversal that is reported: a refund, a cancellation."""

    model_config = ConfigDict(extra="forbid")

    source: SourceText
    kind: KindText
    external_id: ExternalIdText = Field(description="Of the conversion, as it was or will be reported.")
    reversal_id: ExternalIdText = Field(description="What the system calls it. With the others it counts once.")
    time: Instant = Field(description="When it happened: from 2000 to an hour from now.")
    value_minor: int | None = Field(
        None,
        strict=True,
        ge=1,
        le=VALUE_MINOR_MAX,
        description="So much of the value, in the conversion's currency; null: the whole conversion.",
    )


class ActivityIn(BaseModel):
    """A share, a session or an engagement that is reported."""

    model_config = ConfigDict(extra="forbid")

    source: SourceText
    external_id: ExternalIdText = Field(description="What the system calls it. With the source it counts once.")
    kind: ActivityKind
    advocate_id: AdvocateIdText = Field(description="Whose it is.")
    time: Instant = Field(description="When it happened: from 2000 to an hour from now.")
    channel: Word | None = None
    content_id: Word | None = None
    category: Word | None = None


def read_report(row: object, model: type[TRow]) -> TRow:
    """What `row`, parsed JSON, says.

    Raises:
        RefusedRowError: it is no such row.
    """
    try:
        return read_row(row, model)
    except WrongRowError as error:
        raise RefusedRowError(Refused(Answer.INVALID, error.faults)) from error


def expect_takeable(said: ConversionIn, now: datetime) -> None:
    """Refuse what is wrong whoever the clicks and the customer are.

    Raises:
        RefusedRowError: it is.
    """
    _expect_time(said.time, now)
    if not said.click_ids and said.customer_id is None:
        raise invalid("click_ids", "name a click or a customer: nobody could ever be credited")
    if (said.value_minor is None) != (said.currency is None):
        missing = "value_minor" if said.value_minor is None else "currency"
        raise invalid(missing, "value_minor and currency belong together")
    if said.currency is not None and said.currency not in CURRENCIES:
        raise invalid("currency", "is no code of ISO 4217 that is in use")


def conversion_of(
    said: ConversionIn, touches: Sequence[NamedTouch], customer: CustomerHash | None, via: Via
) -> Conversion:
    """The conversion that `said` reports, once its click ids are checked and its customer is hashed."""
    return Conversion(
        said.time,
        ConversionKey(said.source, said.kind, said.external_id),
        tuple(touches),
        customer,
        said.value_minor,
        None if said.currency is None else Currency(said.currency),
        via,
        said.test,
    )


def reversal_of(said: ReversalIn, now: datetime) -> Reversal:
    """The reversal that `said` reports.

    Raises:
        RefusedRowError: its time is none.
    """
    _expect_time(said.time, now)
    key = ConversionKey(said.source, said.kind, said.external_id)
    return Reversal(said.time, key, ReversalId(said.reversal_id), said.value_minor)


def activity_of(said: ActivityIn, now: datetime) -> Activity:
    """The activity that `said` reports.

    Raises:
        RefusedRowError: its time is none.
    """
    _expect_time(said.time, now)
    advocate_id = AdvocateId(said.advocate_id)
    about = (said.channel, said.content_id, said.category)
    return Activity(said.time, said.source, said.external_id, said.kind, advocate_id, *about)


def _expect_time(time: datetime, now: datetime) -> None:
    if not EARLIEST <= time <= now + AHEAD_MAX:
        raise invalid("time", "is before 2000 or more than an hour ahead")
