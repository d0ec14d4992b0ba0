"""The reconciliation and the comparison as pages: what `oncoclaims reconcile` and `oncoclaims compare` print.

GET /reconcile and /compare with from, to and filters; their .csv are the same rows. POST has it looked for again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from fastapi.responses import Response

from adapters.comparing import By as CompareBy
from adapters.comparing import compare, tallies, within
from adapters.context import demographics
from adapters.model.comparison import Comparison, Pair, Tally, Unlike
from adapters.model.lists import PAGE, MessagesAsked
from adapters.model.money import Cents, decimal
from adapters.model.reconciliation import By, Detection, Difference, Group, Mark, Reconciliation, Row, Stage
from adapters.model.record import PersonRecord
from adapters.model.user import Role
from adapters.pages.admission import Asked, Doors, back
from adapters.pages.lists import address, chosen, day_of
from adapters.pages.looking import Looks, Seen
from adapters.pages.names import course_name, is_plain, thing_name
from adapters.pages.sheet import csv_answer, page
from adapters.pages.wired import PageWired
from adapters.pipeline.sides import sides_of
from adapters.pipeline.stated import assembled
from adapters.pipeline.step import family_by, person_contexts
from adapters.reconciling import Desk, gathered, grouped, reconcile_record

LONGEST: Final = timedelta(days=366)
"""A look covers so many days of service at most."""
_SIGNS: Final = {Mark.YES: ("✓", "yes"), Mark.NO: ("✕", "no"), Mark.NOT_DUE: ("·", "not due")}
_STEPS: Final = {
    "service-charge": "from service to charge",
    "charge-claim": "from charge to claim",
    "claim-paid": "from claim to payment",
    "service-paid": "from service to payment",
}
_AGAIN: Final = "Looked again."
_STILL: Final = "It is looked at again. Until that is done this page shows what was found before."
Thing = TypeVar("Thing")

_RECONCILE: Final = ("from", "to", "show", "name", "who")
_COMPARE: Final = ("from", "to", "kind")
_ROW_COLUMNS: Final = (
    "day", "clinic", "machine", "patient", "course", "what", *(stage.value for stage in Stage), "difference", "code",
    "standing", "amount", "days", "who", "next step", "detail", "about",
)  # fmt: skip
_UNLIKE_COLUMNS: Final = (
    "kind", "day", "service", "clinic", "payer", "patient", "ours", "theirs", "effect", "reason", "id"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Named:
    """A report with what people call the persons in it."""

    report: Reconciliation
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison with its trend, and what people call the persons in it."""

    outcome: Comparison
    by_week: tuple[Tally, ...]
    by_service: tuple[Tally, ...]
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Found:
    """One difference of one service, as a row of the page."""

    row: Row
    difference: Difference | None
    patient: str
    words: str
    course: str
    """The course's name in an address."""
    href: str
    """What it is about."""


@dataclass(frozen=True, slots=True)
class Caught:
    """What a detector found, as a row of the page."""

    detection: Detection
    words: str
    cite: str
    next_step: str
    patient: str
    course: str


def reconcile_routes(doors: Doors) -> None:
    """The pages of both."""
    room = _Reconcile(doors.wired)
    doors.get("/reconcile", room.shown)
    doors.get("/reconcile.csv", room.file)
    doors.post("/reconcile", room.again, Role.VIEWER, once=False)
    other = _Compare(doors.wired)
    doors.get("/compare", other.shown)
    doors.get("/compare.csv", other.file)
    doors.post("/compare", other.again, Role.VIEWER, once=False)


def span_of(query: Mapping[str, str], today: date, days: int) -> tuple[date, date]:
    """The days of service that an address asks for; so many before today if it says none, and never more than a year."""
    last = day_of(query.get("to", "")) or today - timedelta(days=1)
    first = day_of(query.get("from", "")) or last - timedelta(days=days - 1)
    first, last = min(first, last), max(first, last)
    return max(first, last - LONGEST), last


@dataclass(frozen=True, slots=True)
class _Whole:
    """What both looks have in common."""

    wired: PageWired

    def today(self, asked: Asked) -> date:
        """The date at the site."""
        return asked.now.astimezone(ZoneInfo(self.wired.house.site.zone)).date()

    def upto(self) -> int:
        """The number of the last entry of the journal."""
        last = self.wired.store.messages_page(MessagesAsked(limit=1)).things
        return last[0].seq if last else 0

    def records(self, each: Callable[[PersonRecord], None], count: Callable[[], None]) -> dict[str, str]:
        """Hand over every person's record; what people call them."""
        names: dict[str, str] = {}
        for lane in self.wired.store.lanes():
            record = self.wired.store.load(lane)
            if not record.root:
                each(record)
                names[lane] = _called(record)
            count()
        return names


@dataclass(frozen=True, slots=True)
class _Reconcile(_Whole):
    looks: Looks[Named] = field(default_factory=Looks)

    def shown(self, asked: Asked) -> Response:
        """The report of a span: what stops where, the greatest amount first."""
        seen, first, last, so_far = self._seen(asked)
        filters = chosen(asked.query, *_RECONCILE)
        if seen is None:
            return _wait(asked, "Reconcile", so_far)
        report = seen.found.report
        rows = self._found(seen.found, filters)
        part, more = _part(rows, asked.query.get("after", ""))
        open_ = [one for row in report.rows for one in row.open]
        rules = self.wired.house.rules
        return page(
            "reconcile.html",
            asked=asked,
            report=report,
            rows=part,
            all_rows=len(rows),
            filters={**filters, "from": first.isoformat(), "to": last.isoformat()},
            signs=_SIGNS,
            stages=tuple(Stage),
            names={name: rules.differences[name].words for name in sorted({one.name for one in open_})},
            actors=sorted({one.actor for one in open_}),
            counts=_counted(open_),
            at_stake=sum(one.amount for one in open_),
            caught=[self._caught(one, seen.found) for one in report.detections],
            groups={by: _some(grouped(report.rows, by)) for by in (By.CLINIC, By.MACHINE, By.DAY)},
            steps=_STEPS,
            since=self.upto() - seen.upto,
            at=seen.at.astimezone(ZoneInfo(self.wired.house.site.zone)),
            more=address("/reconcile", filters, after=str(more)) if more else "",
            begun=bool(asked.query.get("after")),
            file=address("/reconcile.csv", filters),
        )

    def file(self, asked: Asked) -> Response:
        """The same rows as a file."""
        seen, _, _, so_far = self._seen(asked)
        if seen is None:
            return _wait(asked, "Reconcile", so_far)
        rows = self._found(seen.found, chosen(asked.query, *_RECONCILE))
        return csv_answer("reconcile.csv", _ROW_COLUMNS, map(_cells, rows))

    def again(self, asked: Asked) -> Response:
        """Look again."""
        seen = self._seen(asked, asked.form, anew=True)[0]
        return back(asked, address("/reconcile", chosen(asked.form, *_RECONCILE)), _AGAIN if seen else _STILL)

    def _seen(
        self, asked: Asked, said: Mapping[str, str] | None = None, *, anew: bool = False
    ) -> tuple[Seen[Named] | None, date, date, int]:
        today = self.today(asked)
        first, last = span_of(asked.query if said is None else said, today, 1)

        def make(count: Callable[[], None]) -> Named:
            house, shares = self.wired.house, []

            def each(record: PersonRecord) -> None:
                assembly = assembled(record.person, record.events, family_by(house))
                desk = Desk(person_contexts(assembly, house), house.rules, house.prices)
                shares.append(reconcile_record(record, assembly, desk, first, last, today))

            names = self.records(each, count)
            report = gathered(shares, first, last, today)
            kept = {row.person for row in report.rows} | {one.person for one in report.detections}
            return Named(report, {person: name for person, name in names.items() if person in kept})

        key = (first, last, today, self.wired.house.rules.digest)
        seen, so_far = self.looks.seen(key, make, at=asked.now, upto=self.upto(), anew=anew)
        return seen, first, last, so_far

    def _found(self, named: Named, filters: Mapping[str, str]) -> list[Found]:
        rows: list[Found] = []
        for row in named.report.rows:
            shown = row.differences if filters["show"] in ("closed", "all") else row.open
            wanted = [one for one in shown if filters["name"] in ("", one.name) and filters["who"] in ("", one.actor)]
            rows += [self._one(row, one, named) for one in wanted]
            if filters["show"] == "all" and not row.differences and not (filters["name"] or filters["who"]):
                rows.append(self._one(row, None, named))
        return sorted(rows, key=lambda r: (-(r.difference.amount if r.difference else -1), r.row.day, r.row.id))

    def _one(self, row: Row, difference: Difference | None, named: Named) -> Found:
        words = self.wired.house.rules.differences[difference.name].words if difference else ""
        course = course_name(row.episode) if row.episode else ""
        return Found(row, difference, named.names.get(row.person, ""), words, course, _href(row, difference))

    def _caught(self, one: Detection, named: Named) -> Caught:
        spec = self.wired.house.rules.detectors[one.detector]
        course = course_name(one.episode) if one.episode else ""
        return Caught(one, spec.words, spec.cite, spec.next_step, named.names.get(one.person, ""), course)


@dataclass(frozen=True, slots=True)
class _Compare(_Whole):
    looks: Looks[Compared] = field(default_factory=Looks)

    def shown(self, asked: Asked) -> Response:
        """Our charges against the coded ones, with the trend and every difference."""
        seen, first, last, so_far = self._seen(asked)
        filters = chosen(asked.query, *_COMPARE)
        if seen is None:
            return _wait(asked, "Compare", so_far)
        rows = _of_kind(seen.found.outcome.unlike, filters["kind"])
        part, more = _part(rows, asked.query.get("after", ""))
        return page(
            "compare.html",
            asked=asked,
            total=seen.found.outcome.total,
            by_week=seen.found.by_week,
            by_service=seen.found.by_service,
            rows=[(one, seen.found.names.get(one.pair.person, ""), _look(one)) for one in part],
            kinds=Counter(one.kind.value for one in seen.found.outcome.unlike),
            filters={**filters, "from": first.isoformat(), "to": last.isoformat()},
            since=self.upto() - seen.upto,
            at=seen.at.astimezone(ZoneInfo(self.wired.house.site.zone)),
            more=address("/compare", filters, after=str(more)) if more else "",
            begun=bool(asked.query.get("after")),
            file=address("/compare.csv", filters),
        )

    def file(self, asked: Asked) -> Response:
        """Every difference as a file."""
        seen, _, _, so_far = self._seen(asked)
        if seen is None:
            return _wait(asked, "Compare", so_far)
        names = seen.found.names
        rows = _of_kind(seen.found.outcome.unlike, chosen(asked.query, *_COMPARE)["kind"])
        return csv_answer("compare.csv", _UNLIKE_COLUMNS, (_unlike_cells(one, names) for one in rows))

    def again(self, asked: Asked) -> Response:
        """Look again."""
        seen = self._seen(asked, asked.form, anew=True)[0]
        return back(asked, address("/compare", chosen(asked.form, *_COMPARE)), _AGAIN if seen else _STILL)

    def _seen(
        self, asked: Asked, said: Mapping[str, str] | None = None, *, anew: bool = False
    ) -> tuple[Seen[Compared] | None, date, date, int]:
        first, last = span_of(asked.query if said is None else said, self.today(asked), 28)

        def make(count: Callable[[], None]) -> Compared:
            found: list[Pair] = []
            names = self.records(lambda record: found.extend(sides_of(record, self.wired.house)), count)
            pairs = within(found, first, last)
            outcome = compare(pairs)
            kept = {one.pair.person for one in outcome.unlike}
            by = (tallies(pairs, CompareBy.WEEK), tallies(pairs, CompareBy.SERVICE))
            return Compared(outcome, *by, {person: name for person, name in names.items() if person in kept})

        key = (first, last, self.wired.house.rules.digest)
        seen, so_far = self.looks.seen(key, make, at=asked.now, upto=self.upto(), anew=anew)
        return seen, first, last, so_far


def _called(record: PersonRecord) -> str:
    who = demographics(event for event in record.events if event.kind == "patient")
    number = min((identifier.value for identifier in record.goes_by), default="")
    return ", ".join(filter(None, (who.family, who.given, number))) or "name not known"


def _wait(asked: Asked, title: str, so_far: int) -> Response:
    return page("waiting.html", 202, asked=asked, title=title, so_far=so_far)


def _part(rows: Sequence[Thing], after: str) -> tuple[Sequence[Thing], int]:
    """A part of rows that do not change any more, after so many; and where the next one begins, 0 at the end."""
    start = int(after) if after.isdecimal() and len(after) < 9 else 0
    end = start + PAGE
    return rows[start:end], end if end < len(rows) else 0


def _some(groups: Sequence[Group]) -> Sequence[Group]:
    """Groups that tell something: one alone is the whole."""
    return groups if len(groups) > 1 else ()


def _counted(open_: Sequence[Difference]) -> list[tuple[str, int, Cents]]:
    """(name, how many, how much) of the open differences, the greatest amount first."""
    sums: dict[str, list[Cents]] = defaultdict(list)
    for one in open_:
        sums[one.name].append(one.amount)
    return sorted(((name, len(of), sum(of)) for name, of in sums.items()), key=lambda one: (-one[2], one[0]))


def _href(row: Row, difference: Difference | None) -> str:
    """The page of what a difference is about."""
    if difference is None:
        return ""
    if difference.item:
        return f"/work/{difference.item}"
    about = difference.about
    if is_plain(about):
        claims = {mark.ref for mark in row.stages if mark.stage is Stage.CLAIMED}
        if about in claims:
            return f"/claims/{about}"
        return f"/explain/{about}" if about in row.charges else ""
    return f"/explain/{thing_name(row.person, about)}" if "|" in about else ""


def _cells(found: Found) -> tuple[object, ...]:
    row, one = found.row, found.difference
    lead = (row.day, row.clinic, row.machine, found.patient, row.course, row.name)
    marks = tuple(mark.mark.value for mark in row.stages)
    if one is None:
        return (*lead, *marks, *(("",) * 9))
    words = (one.name, one.code, one.standing.value, decimal(one.amount), one.days)
    return (*lead, *marks, *words, one.actor, one.next_step, one.detail, one.about)


def _of_kind(unlike: Sequence[Unlike], kind: str) -> list[Unlike]:
    return [one for one in unlike if kind in ("", one.kind.value)]


def _look(one: Unlike) -> str:
    """The page that says why."""
    pair = one.pair
    if pair.ours and pair.ours.id:
        return f"/explain/{thing_name(pair.person, one.id)}"
    return f"/messages/{one.id}" if is_plain(one.id) else ""


def _unlike_cells(one: Unlike, names: Mapping[str, str]) -> tuple[object, ...]:
    pair = one.pair
    sides = tuple(
        f"{'-'.join((side.code, *side.modifiers))} x {side.units}" if side else "" for side in (pair.ours, pair.theirs)
    )
    lead = (one.kind.value, pair.day, pair.service, pair.clinic, pair.payer, names.get(pair.person, ""))
    return (*lead, *sides, decimal(pair.effect), one.reason, one.id)
