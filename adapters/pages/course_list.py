"""The list of courses: one row each, made from the course's page once and kept as long as its record stays as it is.

A record of forty fractions takes a hundredth of a second to read and as long to lay out; a page of them would keep a
person waiting each time. What is kept is the row, not the record: a few hundred bytes a course.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from adapters.model.money import Cents
from adapters.pages.course_read import course_view
from adapters.pages.course_view import CourseView, Heading
from adapters.pages.names import course_name
from adapters.pages.wired import PageWired
from adapters.pipeline.stated import assembled
from adapters.pipeline.step import family_by

_KEPT: Final = 20_000
"""Lanes whose rows are kept; those looked at longest ago go first."""


@dataclass(frozen=True, slots=True)
class CourseRow:
    """What the list says of one course."""

    name: str
    """Its name in an address."""
    heading: Heading
    first: date | None
    last: date | None
    ended: bool
    delivered: int
    planned: int | None
    held: int
    """Lines that wait for a person."""
    claims: int
    unsent: Cents
    billed: Cents
    paid: Cents
    denied: Cents


class CourseList:
    """Rows by lane, with the mark of the record that they were made from. Safe to use from many threads."""

    def __init__(self, wired: PageWired) -> None:
        self._wired = wired
        self._lock = threading.Lock()
        self._rows: OrderedDict[str, tuple[str, tuple[CourseRow, ...]]] = OrderedDict()

    def of(self, lanes: Sequence[str]) -> list[CourseRow]:
        """The courses of these persons, those that go on first, by their first day. Raises `StoreDown`."""
        # The marks before the records: what changes in between is read again at the next look.
        marks = self._wired.store.marks(lanes)
        rows: list[CourseRow] = []
        for lane in lanes:
            mark = marks.get(lane, "")
            with self._lock:
                known = self._rows.get(lane)
            if known is None or known[0] != mark or not mark:
                known = (mark, self._read(lane))
            with self._lock:
                self._rows[lane] = known
                self._rows.move_to_end(lane)
                if len(self._rows) > _KEPT:
                    self._rows.popitem(last=False)
            rows += known[1]
        return sorted(rows, key=lambda row: (row.ended, row.first or date.max, row.name))

    def _read(self, lane: str) -> tuple[CourseRow, ...]:
        house = self._wired.house
        record = self._wired.store.load(lane)
        families = family_by(house)
        assembly = assembled(lane, record.events, families)
        found = []
        for episode in assembly.episodes:
            view = course_view(record, episode.id, house.rules, house.site, families, assembly)
            if view is not None and (view.weeks or view.holds or view.claims):
                found.append(_row(course_name(episode.id), view))
        return tuple(found)


def _row(name: str, view: CourseView) -> CourseRow:
    return CourseRow(
        name=name,
        heading=view.heading,
        first=view.first,
        last=view.last,
        ended=view.ended,
        delivered=view.delivered,
        planned=view.planned,
        held=sum(1 for hold in view.holds if hold.release == "person"),
        claims=len(view.claims),
        unsent=view.unsent,
        billed=view.money.billed,
        paid=view.money.paid,
        denied=view.money.denied,
    )
