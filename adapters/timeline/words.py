"""What a picture of a visit says, in words: its table, its heading, a sentence for each row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from adapters.model.visit import Span, Stretch, VisitCode, VisitRow, VisitSite, VisitView, whole_minutes

ROLES: Final = {
    "initial": "initial",
    "additional": "further hours",
    "sequential": "sequential",
    "concurrent": "concurrent",
    "subsequent": "subsequent push",
    "same-drug": "same drug again",
}
"""Each role of a service in words."""
HYDRATION: Final = "hydration"
TIMED: Final = ("infusion", HYDRATION)
"""Kinds that run for a time."""

_STEPS: Final = (5, 10, 15, 30, 60, 120, 180, 240, 360, 720, 1440)
"""Minutes between two marks of the hours."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """One line of the table that says what the picture shows."""

    site: str
    name: str
    kind: str
    start: str
    end: str
    minutes: str
    role: str
    codes: str
    state: str


@dataclass(frozen=True, slots=True)
class Hours:
    """The hours that a picture spans, told in the zone of the clinic."""

    first: datetime
    minutes: float
    step: int
    """Minutes between two marks."""
    zone: ZoneInfo

    def part(self, at: datetime) -> float:
        """How far along it an instant is: 0 at its beginning, 1 at its end."""
        return (at - self.first) / timedelta(minutes=1) / self.minutes

    def clock(self, at: datetime) -> str:
        """The local time of day."""
        return f"{at.astimezone(self.zone):%H:%M}"


def hours_of(view: VisitView) -> Hours:
    """The hours of the visit, from one mark to another, about a dozen marks in all."""
    zone = ZoneInfo(view.zone)
    whole = (view.end - view.start) / timedelta(minutes=1)
    step = next((step for step in _STEPS if whole / step <= 13), _STEPS[-1])
    local = view.start.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    since = int((local - midnight) / timedelta(minutes=1))
    first = view.start - (local - midnight) + timedelta(minutes=since // step * step)
    marks = int((view.end - first) / timedelta(minutes=step)) + 1
    return Hours(first, max(marks * step, 30), step, zone)


def service_of(row: VisitRow, stretch: Stretch) -> str:
    """What a part of a row is, in words."""
    words = ROLES.get(stretch.role, stretch.role)
    return f"{words} hydration" if row.kind == HYDRATION and stretch.role != "additional" else words


def _state(code: VisitCode) -> str:
    if code.held:
        return f"held: {code.state.replace('-', ' ')}"
    return code.state or "billed by another"


def codes_said(codes: Iterable[VisitCode]) -> str:
    """Codes with their units; of what is held also the hold."""
    return ", ".join(code.spelled + (f" ({_state(code)})" if code.held else "") for code in codes)


def site_said(site: VisitSite) -> str:
    """The heading of an access site."""
    return f"Access site: {site.name or 'not named'}" + (", a further one that was required" if site.separate else "")


def times_said(row: VisitRow, hours: Hours) -> str:
    """When it ran, in words."""
    if not row.spans:
        return f"{hours.clock(row.at)}" + (", no stop time" if row.kind in TIMED else "")
    pauses = whole_minutes(((row.spans[0][0], row.spans[-1][1]),)) - row.minutes
    words = f"{hours.clock(row.spans[0][0])} to {hours.clock(row.spans[-1][1])}, {row.minutes} min"
    return words + (f", pauses {pauses}" if pauses else "") + (", assumed" if row.assumed else "")


def sentence(row: VisitRow, hours: Hours) -> str:
    """One row as a sentence: what, when, as what it is billed, and why it is not."""
    parts = [f"{row.name}, {row.kind.replace('-', ' ')}: {times_said(row, hours)}"]
    parts += [f"{service_of(row, one)} {codes_said(one.codes)}".strip() for one in row.stretches]
    if row.codes:
        parts.append(codes_said(row.codes))
    if row.held:
        parts.append(f"waits: {row.held}")
    elif row.idle:
        parts.append(row.idle)
    return "; ".join(parts) + "."


def heading(view: VisitView) -> str:
    """The visit by its day and hours."""
    zone = ZoneInfo(view.zone)
    start, end = view.start.astimezone(zone), view.end.astimezone(zone)
    until = f"{end:%H:%M}" if start.date() == end.date() else f"{end.day} {end:%B} {end:%H:%M}"
    return f"Visit of {start.day} {start:%B %Y}, {start:%H:%M} to {until}"


def told(view: VisitView) -> str:
    """All that the picture shows, in sentences: for who cannot see it."""
    hours = hours_of(view)
    said: list[str] = []
    for site in view.sites:
        said += [f"{site_said(site)}.", *(sentence(row, hours) for row in site.rows)]
    return " ".join([*said, *(sentence(row, hours) for row in view.beside)])


def table(view: VisitView) -> tuple[TableRow, ...]:
    """What the picture shows, line by line: one for each service of each row, and one for what is told without minutes."""
    hours = hours_of(view)
    found: list[TableRow] = []
    for site in view.sites:
        for row in site.rows:
            found += _lines(row, site.name or "not named", hours)
    for row in view.beside:
        found += _lines(row, "", hours)
    return tuple(found)


def _lines(row: VisitRow, site: str, hours: Hours) -> Iterator[TableRow]:
    kind = row.kind.replace("-", " ")
    for stretch in row.stretches:
        start, end = stretch.spans[0][0], stretch.spans[-1][1]
        minutes = str(whole_minutes(stretch.spans)) if stretch.counted else ""
        until = hours.clock(end) if end > start else ""
        state = ", ".join(dict.fromkeys(map(_state, stretch.codes))) + (", times assumed" if row.assumed else "")
        spelled = ", ".join(code.spelled for code in stretch.codes)
        at = hours.clock(start)
        yield TableRow(site, row.name, kind, at, until, minutes, service_of(row, stretch), spelled, state)
    if row.codes or row.held or row.idle or not row.stretches:
        until = hours.clock(row.spans[-1][1]) if row.spans else ""
        said = ", ".join(dict.fromkeys(map(_state, row.codes)))
        words = f"waits: {row.held}" if row.held else row.idle
        state = "; ".join(filter(None, (said, words)))
        spelled = ", ".join(code.spelled for code in row.codes)
        minutes = str(row.minutes) if row.spans and not row.stretches else ""
        yield TableRow(site, row.name, kind, hours.clock(row.at), until, minutes, "", spelled, state)


def spans_counted(view: VisitView) -> Iterator[Span]:
    """Every billed minute of the visit, as spans."""
    for row in view.rows:
        for stretch in row.stretches:
            if stretch.counted:
                yield from stretch.spans
