"""A room whose page rests on a look over the whole store: found aside (`looking`), shown part by part, given as a file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import ClassVar, Final, Generic, TypeVar
from zoneinfo import ZoneInfo

from fastapi.responses import Response

from adapters.context import demographics
from adapters.model.lists import PAGE, MessagesAsked
from adapters.model.record import PersonRecord
from adapters.model.user import Role
from adapters.pages.admission import Asked, Doors, back
from adapters.pages.lists import address, chosen, day_of
from adapters.pages.looking import Looks, Seen
from adapters.pages.sheet import csv_answer, page
from adapters.pages.wired import PageStore, PageWired

LONGEST: Final = timedelta(days=366)
"""A look covers so many days of service at most."""
_AGAIN: Final = "Looked again."
_STILL: Final = "It is looked at again. Until that is done this page shows what was found before."
Found = TypeVar("Found")
Line = TypeVar("Line")


@dataclass(frozen=True, slots=True)
class Span:
    """The days of service that a look covers, both inside, and the day at the site on which it is made."""

    first: date
    last: date
    today: date


@dataclass(frozen=True, slots=True)
class Aside(ABC, Generic[Found, Line]):
    """What such rooms have in common: who asks is shown what was found, or told to wait for it."""

    wired: PageWired
    looks: Looks[Found] = field(default_factory=Looks)

    path: ClassVar[str]
    """Of the page; its template bears the same name."""
    asks: ClassVar[tuple[str, ...]]
    """What an address may narrow it by."""
    days: ClassVar[int]
    """So many days before today where the address names none."""
    columns: ClassVar[tuple[str, ...]]
    """Of the file."""

    @abstractmethod
    def look(self, span: Span, count: Callable[[], None]) -> Found:
        """Look over the whole store; `count` is called after each person."""

    @abstractmethod
    def lines(self, found: Found, filters: Mapping[str, str]) -> Sequence[Line]:
        """The rows of the list, in their order."""

    @abstractmethod
    def cells(self, line: Line) -> tuple[object, ...]:
        """A row of the file."""

    @abstractmethod
    def told(self, found: Found) -> dict[str, object]:
        """What the template shows beside the rows, the filters and the times."""

    def open_doors(self, doors: Doors) -> None:
        """The page, its file, and the button to look again."""
        doors.get(self.path, self.shown)
        doors.get(f"{self.path}.csv", self.file)
        doors.post(self.path, self.again, Role.VIEWER, once=False)

    def shown(self, asked: Asked) -> Response:
        """The page of a span."""
        seen, span, so_far = self._seen(asked, asked.query)
        if seen is None:
            return self._wait(asked, so_far)
        filters = chosen(asked.query, *self.asks)
        lines = self.lines(seen.found, filters)
        part, more = part_of(lines, asked.query.get("after", ""))
        told: dict[str, object] = {
            "rows": part,
            "all_rows": len(lines),
            "filters": {**filters, "from": span.first.isoformat(), "to": span.last.isoformat()},
            "since": upto(self.wired.store) - seen.upto,
            "at": seen.at.astimezone(self._zone),
            "more": address(self.path, filters, after=str(more)) if more else "",
            "begun": bool(asked.query.get("after")),
            "file": address(f"{self.path}.csv", filters),
        }
        return page(f"{self.path[1:]}.html", 200, asked=asked, **told, **self.told(seen.found))

    def file(self, asked: Asked) -> Response:
        """The same rows as a file."""
        seen, _, so_far = self._seen(asked, asked.query)
        if seen is None:
            return self._wait(asked, so_far)
        lines = self.lines(seen.found, chosen(asked.query, *self.asks))
        return csv_answer(f"{self.path[1:]}.csv", self.columns, map(self.cells, lines))

    def again(self, asked: Asked) -> Response:
        """Look again."""
        seen, _, _ = self._seen(asked, asked.form, anew=True)
        return back(asked, address(self.path, chosen(asked.form, *self.asks)), _AGAIN if seen else _STILL)

    def records(self, each: Callable[[PersonRecord], None], count: Callable[[], None]) -> dict[str, str]:
        """Hand over every person's record; what people call them."""
        names: dict[str, str] = {}
        for lane in self.wired.store.lanes():
            record = self.wired.store.load(lane)
            if not record.root:
                each(record)
                names[lane] = called(record)
            count()
        return names

    def _seen(
        self, asked: Asked, said: Mapping[str, str], *, anew: bool = False
    ) -> tuple[Seen[Found] | None, Span, int]:
        span = span_of(said, asked.now.astimezone(self._zone).date(), self.days)
        key = (span, self.wired.house.rules.digest)
        seen, so_far = self.looks.seen(
            key, lambda count: self.look(span, count), at=asked.now, upto=upto(self.wired.store), anew=anew
        )
        return seen, span, so_far

    def _wait(self, asked: Asked, so_far: int) -> Response:
        return page("waiting.html", 202, asked=asked, title=self.path[1:].capitalize(), so_far=so_far)

    @property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.wired.house.site.zone)


def span_of(query: Mapping[str, str], today: date, days: int) -> Span:
    """The days of service that an address asks for; so many before today if it says none, and never more than a year."""
    last = day_of(query.get("to", "")) or today - timedelta(days=1)
    first = day_of(query.get("from", "")) or last - timedelta(days=days - 1)
    first, last = min(first, last), max(first, last)
    return Span(max(first, last - LONGEST), last, today)


def upto(store: PageStore) -> int:
    """The number of the last entry of the journal."""
    last = store.messages_page(MessagesAsked(limit=1)).things
    return last[0].seq if last else 0


def part_of(lines: Sequence[Line], after: str) -> tuple[Sequence[Line], int]:
    """A part of rows that do not change any more, after so many; and where the next one begins, 0 at the end."""
    start = int(after) if after.isdecimal() and len(after) < 9 else 0
    end = start + PAGE
    return lines[start:end], end if end < len(lines) else 0


def called(record: PersonRecord) -> str:
    """What people call a person: name and number."""
    who = demographics(event for event in record.events if event.kind == "patient")
    number = min((identifier.value for identifier in record.goes_by), default="")
    return ", ".join(filter(None, (who.family, who.given, number))) or "name not known"
