"""A till that reports what people buy: clicks and facts through one pipe, attributed as soon as they are applied."""

from dataclasses import dataclass, field, replace
from typing import Any

from aggregator.attributing.running import attribute_all
from aggregator.attributing.store import AttributingStore
from link_events.events import Fact, NamedTouch
from link_events.identity import EventId
from link_events.streams import Stream
from stage.events import PLAIN_CLICK, PLAIN_CONVERSION
from stage.journaling import Pen
from stage.pipe import Pipe


@dataclass
class Till:
    """One journal's clicks and conversions, all in the first partition."""

    pipe: Pipe
    clicks: Pen = field(default_factory=Pen)
    facts: Pen = field(default_factory=lambda: Pen(stream=Stream.CONVERSIONS))

    async def click(self, **changes: Any) -> NamedTouch:
        """A click, changed like this, is applied: what its id says."""
        click = replace(PLAIN_CLICK, **changes)
        await self.pipe.take(self.clicks.write(click))
        return NamedTouch(self.clicks.last, click.occurred_at.date())

    async def sale(self, *touches: NamedTouch, **changes: Any) -> EventId:
        """A conversion that names these clicks, changed like this, is applied and attributed."""
        return await self.report(replace(PLAIN_CONVERSION, touches=touches, **changes))

    async def report(self, fact: Fact) -> EventId:
        """Something is reported, applied, and whatever it concerns attributed."""
        await self.pipe.take(self.facts.write(fact), stream=Stream.CONVERSIONS)
        await self.attribute()
        return self.facts.last.event_id

    async def attribute(self) -> None:
        """Attribute whatever is to be: marked, or waiting for a click that has come."""
        store = AttributingStore(self.pipe.pool)
        await store.sweep(given_up=False)
        await attribute_all(store)
