"""Doses that were expected and not reported, and those beyond: findings with what they are worth, and work for a person.

What is missed depends on the day, so a record with orders ahead falls due when their day is over: it is looked at again
then, though nothing came. A dose that arrives late, or the cancellation of its order, closes the item by itself.

A dose that nobody could have reported to us opens nothing: one whose day lies before the first message about the person,
before the site is live with its drugs, or that was taken in as history. It is remarked only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from adapters.charges import Assembly
from adapters.charges.drugs import FAMILY as DRUG
from adapters.charges.expected import APPOINTMENT, ORDER, as_ordered, regimen, worth
from adapters.charges.lines import Bench
from adapters.model import money
from adapters.model.charge import Finding
from adapters.model.episode import Occurrence
from adapters.model.event import HISTORIC, Event
from adapters.model.live import Live, Stage, governing
from adapters.model.record import Due, PersonRecord, Tick
from adapters.model.why import Fact, Source, Why
from adapters.model.work import WorkItem, open_item
from adapters.rules import Decision
from adapters.work import MISSED_DOSE, settle

EXPECTED: Final = "expected"
"""What falls due when the day of an expected dose is over."""
FINDINGS: Final = frozenset({"missed-dose", "extra-dose", "dose-not-ordered"})
_ACTION: Final = "have the dose reported, or its order cancelled; a dose that was not given needs nothing more"
_OFF: Final = "off"
_ONE_DAY: Final = timedelta(days=1)


def falls_due(record: PersonRecord, tick: Tick) -> bool:
    """Whether the day of an expected dose is over since the record was last looked at."""
    return any(due.what == EXPECTED and due.not_before <= tick.now for due in record.due)


def with_expected(
    record: PersonRecord, assembly: Assembly, bench: Bench, tick: Tick, live: Sequence[Live] = ()
) -> PersonRecord:
    """The record with the findings, items and the next look that follow from orders, bookings and doses on this day.

    `bench` knows rules, prices and what holds for the person; its episode plays no part. `live` says from when on the
    site claims what.
    """
    expects = any(event.kind in (ORDER, APPOINTMENT) for event in assembly.context)
    if not expects and not any(due.what == EXPECTED for due in record.due) and not _items(record):
        return record
    found = regimen(assembly.context, assembly.episodes)
    zone = ZoneInfo(bench.contexts.site.zone)
    first = min(event.said for event in record.events).astimezone(zone).date() if record.events else date.min
    desk = _Desk(bench, first, live)
    missed = [desk.case("missed", as_ordered(event)) for event in found.open if event.day < tick.today]
    extra = [desk.case("extra", one) for one in found.extra]
    extra += [desk.case("not-ordered", one) for one in found.unordered]
    findings = (case.finding for case in (*missed, *extra) if case.finding is not None)
    wanted = tuple(_item(record.person, case, tick) for case in missed if case.works_on(tick.today))
    looks = [_next(desk.case("missed", as_ordered(event)), tick.today) for event in found.open]
    at = min((day for day in looks if day is not None), default=None)
    due = (Due(EXPECTED, "regimen", datetime.combine(at, time.min, zone)),) if at is not None else ()
    return replace(
        record,
        findings=(*(one for one in record.findings if one.kind not in FINDINGS), *findings),
        work=settle(record.work, wanted, tick.now, frozenset({MISSED_DOSE})),
        due=(*(one for one in record.due if one.what != EXPECTED), *due),
    )


def _items(record: PersonRecord) -> bool:
    return any(item.kind == MISSED_DOSE for item in record.work)


@dataclass(frozen=True, slots=True)
class _Case:
    """One dose that was missed, or one too many, with what the rule says of it."""

    dose: Occurrence
    amount: money.Cents
    finding: Finding | None
    after: str
    """Days after which a missed one is work; `off` or empty: never."""
    heard: bool = True
    """Whether anybody could have reported it to us."""

    def works_on(self, today: date) -> bool:
        """Whether it is work for a person by now."""
        return self.works is not None and self.works <= today

    @property
    def works(self) -> date | None:
        """The day from which it is work for a person; None: never."""
        if not self.heard or self.after in ("", _OFF):
            return None
        return self.dose.day + timedelta(days=int(self.after))


@dataclass(frozen=True, slots=True)
class _Desk:
    bench: Bench
    first: date
    """The day of the first message about the person."""
    live: Sequence[Live]

    def case(self, name: str, dose: Occurrence) -> _Case:
        """What the rule `expected-doses` says of it, with its worth as a fact."""
        known = worth(self.bench, dose)
        decision = self.bench.decide("expected-doses", self.bench.context(dose), {"case": name})
        if not isinstance(decision, Decision) or "finding" not in decision.values:
            return _Case(dose, known.amount, None, "")
        facts = (*dose.told, *self._facts(dose, known.amount, known.code))
        value = " ".join(_words(_name(dose), known.code, known.units, known.amount))
        finding = Finding(decision.values["finding"], dose.primary.id, Why(decision.ref, facts), value)
        return _Case(dose, known.amount, finding, decision.values.get("after_days", ""), self._heard(dose))

    def _heard(self, dose: Occurrence) -> bool:
        """Whether we were listening on its day, and the site was live with the drugs of its payer."""
        if dose.day < self.first or dose.flag(HISTORIC):
            return False
        context = self.bench.context(dose)
        payer = context.payer.id if context.payer else ""
        rows = [governing(self.live, entity.id, payer, DRUG) for entity in context.facility.entities]
        return any(row is None or row.stage(dose.day) is Stage.LIVE for row in rows)

    def _facts(self, dose: Occurrence, amount: money.Cents, code: str) -> Iterator[Fact]:
        for name in ("drug.name", "drug", "code", "dose", "dose.unit", "scheduled", "cycle", "cycle_day"):
            if fact := dose.fact(name):
                yield fact
        if amount:
            yield Fact("worth", money.text(amount), Source("site", f"price of {code}"))


def _name(dose: Occurrence) -> str:
    return dose.value("drug.name") or dose.value("drug") or "visit for drugs"


def _words(name: str, code: str, units: int, amount: money.Cents) -> Iterable[str]:
    yield name
    if code and units:
        yield f"{code} ×{units}"
    if amount:
        yield f"${money.text(amount)}"


def _next(case: _Case, today: date) -> date | None:
    """The day on which something becomes of it by itself; None where all has."""
    if case.dose.day >= today:
        return case.dose.day + _ONE_DAY
    return case.works if case.works is not None and case.works > today else None


def _item(person: str, case: _Case, tick: Tick) -> WorkItem:
    order: Event = case.dose.primary
    place = [f"{name.replace('_', ' ')} {value}" for name in ("cycle", "cycle_day") if (value := order.value(name))]
    said = "booked" if order.kind == APPOINTMENT else "ordered"
    return open_item(
        MISSED_DOSE,
        MISSED_DOSE,
        order.line,
        category="drug",
        action=_ACTION,
        opened=tick.now,
        amount=case.amount,
        person=person,
        detail=", ".join([_name(case.dose), *place, f"{said} for {order.day.isoformat()}, and nothing is reported"]),
    )
