"""The reconciliation and the comparison as pages: what `oncoclaims reconcile` and `oncoclaims compare` print.

GET /reconcile and /compare with from, to and filters; their .csv are the same rows. POST has it looked for again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from adapters.comparing import By as CompareBy
from adapters.comparing import compare, tallies, within
from adapters.model.comparison import Comparison, Pair, Tally, Unlike
from adapters.model.money import Cents, decimal
from adapters.model.reconciliation import By, Detection, Difference, Group, Mark, Reconciliation, Row, Stage
from adapters.model.record import PersonRecord
from adapters.pages.admission import Doors
from adapters.pages.aside import Aside, Span
from adapters.pages.names import course_name, is_plain, thing_name
from adapters.pipeline.sides import sides_of
from adapters.pipeline.stated import assembled
from adapters.pipeline.step import family_by, person_contexts
from adapters.reconciling import Desk, gathered, grouped, reconcile_record

_SIGNS: Final = {Mark.YES: ("✓", "yes"), Mark.NO: ("✕", "no"), Mark.NOT_DUE: ("·", "not due")}
_STEPS: Final = {
    "service-charge": "from service to charge",
    "charge-claim": "from charge to claim",
    "claim-paid": "from claim to payment",
    "service-paid": "from service to payment",
}


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


Differing: TypeAlias = tuple[Unlike, str, str]
"""A difference of the two sides, what people call the person, and the page that says why."""


def reconcile_routes(doors: Doors) -> None:
    """The pages of both."""
    _Reconcile(doors.wired).open_doors(doors)
    _Compare(doors.wired).open_doors(doors)


@dataclass(frozen=True, slots=True)
class _Reconcile(Aside[Named, Found]):
    """The report of a span: what stops where, the greatest amount first."""

    path = "/reconcile"
    asks = ("from", "to", "show", "name", "who")
    days = 1
    columns = (
        "day", "clinic", "machine", "patient", "course", "what", *(stage.value for stage in Stage), "difference",
        "code", "standing", "amount", "days", "who", "next step", "detail", "about",
    )  # fmt: skip

    def look(self, span: Span, count: Callable[[], None]) -> Named:
        """The reconciliation of everybody."""
        house, shares = self.wired.house, []
        family = family_by(house)

        def each(record: PersonRecord) -> None:
            assembly = assembled(record.person, record.events, family)
            desk = Desk(person_contexts(assembly, house), house.rules, house.prices)
            shares.append(reconcile_record(record, assembly, desk, span.first, span.last, span.today))

        names = self.records(each, count)
        report = gathered(shares, span.first, span.last, span.today)
        kept = {row.person for row in report.rows} | {one.person for one in report.detections}
        return Named(report, {person: name for person, name in names.items() if person in kept})

    def lines(self, found: Named, filters: Mapping[str, str]) -> Sequence[Found]:
        """A row a difference, and where all are asked for one for each service without any."""
        rows: list[Found] = []
        for row in found.report.rows:
            shown = row.differences if filters["show"] in ("closed", "all") else row.open
            wanted = [one for one in shown if filters["name"] in ("", one.name) and filters["who"] in ("", one.actor)]
            rows += [self._one(row, one, found) for one in wanted]
            if filters["show"] == "all" and not row.differences and not (filters["name"] or filters["who"]):
                rows.append(self._one(row, None, found))
        return sorted(rows, key=lambda r: (-(r.difference.amount if r.difference else -1), r.row.day, r.row.id))

    def cells(self, line: Found) -> tuple[object, ...]:
        """The service with its stages, and the difference."""
        row, one = line.row, line.difference
        lead = (row.day, row.clinic, row.machine, line.patient, row.course, row.name)
        marks = tuple(mark.mark.value for mark in row.stages)
        if one is None:
            return (*lead, *marks, *(("",) * 9))
        words = (one.name, one.code, one.standing.value, decimal(one.amount), one.days)
        return (*lead, *marks, *words, one.actor, one.next_step, one.detail, one.about)

    def told(self, found: Named) -> dict[str, object]:
        """The report with its sums, and what detectors found."""
        report = found.report
        open_ = [one for row in report.rows for one in row.open]
        rules = self.wired.house.rules
        return {
            "report": report,
            "signs": _SIGNS,
            "stages": tuple(Stage),
            "names": {name: rules.differences[name].words for name in sorted({one.name for one in open_})},
            "actors": sorted({one.actor for one in open_}),
            "counts": _counted(open_),
            "at_stake": sum(one.amount for one in open_),
            "caught": [self._caught(one, found) for one in report.detections],
            "groups": {by: _some(grouped(report.rows, by)) for by in (By.CLINIC, By.MACHINE, By.DAY)},
            "steps": _STEPS,
        }

    def _one(self, row: Row, difference: Difference | None, named: Named) -> Found:
        words = self.wired.house.rules.differences[difference.name].words if difference else ""
        course = course_name(row.episode) if row.episode else ""
        return Found(row, difference, named.names.get(row.person, ""), words, course, _href(row, difference))

    def _caught(self, one: Detection, named: Named) -> Caught:
        spec = self.wired.house.rules.detectors[one.detector]
        course = course_name(one.episode) if one.episode else ""
        return Caught(one, spec.words, spec.cite, spec.next_step, named.names.get(one.person, ""), course)


@dataclass(frozen=True, slots=True)
class _Compare(Aside[Compared, Differing]):
    """Our charges against the coded ones, with the trend and every difference."""

    path = "/compare"
    asks = ("from", "to", "kind")
    days = 28
    columns = (
        "kind", "day", "service", "clinic", "payer", "patient", "ours", "theirs", "effect", "reason", "id"
    )  # fmt: skip

    def look(self, span: Span, count: Callable[[], None]) -> Compared:
        """The comparison of everybody."""
        found: list[Pair] = []
        names = self.records(lambda record: found.extend(sides_of(record, self.wired.house)), count)
        pairs = within(found, span.first, span.last)
        outcome = compare(pairs)
        kept = {one.pair.person for one in outcome.unlike}
        by = (tallies(pairs, CompareBy.WEEK), tallies(pairs, CompareBy.SERVICE))
        return Compared(outcome, *by, {person: name for person, name in names.items() if person in kept})

    def lines(self, found: Compared, filters: Mapping[str, str]) -> Sequence[Differing]:
        """The differences of one kind, or all."""
        wanted = (one for one in found.outcome.unlike if filters["kind"] in ("", one.kind.value))
        return [(one, found.names.get(one.pair.person, ""), _look(one)) for one in wanted]

    def cells(self, line: Differing) -> tuple[object, ...]:
        """Both sides, and why they differ."""
        one, patient, _ = line
        pair = one.pair
        sides = tuple(
            f"{'-'.join((side.code, *side.modifiers))} x {side.units}" if side else ""
            for side in (pair.ours, pair.theirs)
        )
        lead = (one.kind.value, pair.day, pair.service, pair.clinic, pair.payer, patient)
        return (*lead, *sides, decimal(pair.effect), one.reason, one.id)

    def told(self, found: Compared) -> dict[str, object]:
        """The sums and the trend."""
        return {
            "total": found.outcome.total,
            "by_week": found.by_week,
            "by_service": found.by_service,
            "kinds": Counter(one.kind.value for one in found.outcome.unlike),
        }


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


def _look(one: Unlike) -> str:
    """The page that says why."""
    pair = one.pair
    if pair.ours and pair.ours.id:
        return f"/explain/{thing_name(pair.person, one.id)}"
    return f"/messages/{one.id}" if is_plain(one.id) else ""
