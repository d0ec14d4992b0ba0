"""Differences as they are named: the words of the mappings, since when, how old, and whether they still ask for anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from adapters.model.event import Event
from adapters.model.money import Cents
from adapters.model.reconciliation import Difference, Stage, Standing
from adapters.model.record import PersonRecord
from adapters.model.why import Why
from adapters.model.work import WorkItem
from adapters.reconciling.desk import Desk

NEVER_OPEN: Final = frozenset({"charged-twice", "dropped"})
"""Differences that are told and ask for nothing."""


@dataclass(slots=True)
class Namer:
    """Names the differences of one record on the day of the look."""

    record: PersonRecord
    desk: Desk
    today: date
    _said: dict[tuple[str, str], date] = field(default_factory=dict)
    """(message, place) → the local day on which it was said."""
    _zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))

    def __post_init__(self) -> None:
        self._zone = ZoneInfo(self.desk.contexts.site.zone)
        self._said = {(e.source.message, e.source.at): self.local(e.said) for e in self.record.events}

    def local(self, at: datetime) -> date:
        """The day at the site."""
        return at.astimezone(self._zone).date()

    def said(self, message: str, at: str) -> date | None:
        """The day on which a report was said, None for what is no report."""
        return self._said.get((message, at))

    def reported(self, event: Event) -> date:
        """The day on which the event was said."""
        return self.local(event.said)

    def since(self, why: Why) -> date:
        """The day of the last report on which an outcome rests."""
        days = [day for f in why.facts if (day := self.said(f.source.message, f.source.at)) is not None]
        return max(days, default=self.today)

    def name(
        self,
        name: str,
        about: str,
        amount: Cents,
        since: date,
        *,
        code: str = "",
        detail: str = "",
        item: WorkItem | None = None,
        next_step: str = "",
        closed: bool = False,
    ) -> Difference:
        """The difference of that name in the labels; closed where a person closed its item."""
        spec = self.desk.rules.differences[name]
        closed = closed or name in NEVER_OPEN or (item is not None and bool(item.closed_by))
        standing = Standing.CLOSED if closed else Standing.NEW if since >= self.today else Standing.CARRIED
        return Difference(
            name,
            Stage(spec.stage),
            about,
            amount,
            since,
            max((self.today - since).days, 0),
            spec.actor,
            next_step or spec.next_step,
            standing,
            code,
            detail,
            item.id if item is not None else "",
        )
