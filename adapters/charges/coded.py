"""Charges that another system has coded, and the three charging modes of a service family (design idea 4).

A coded charge and a clinical event of the same service meet in one slot: by a shared identity first, else by the date
and the running number on it. In `derive` ours is billed and theirs is accounted for; in `accept` theirs is billed; in
`compare` one of the two is billed as the site says, and every difference is a finding.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date

from adapters.charges.administration_lines import derives
from adapters.charges.coded_apart import kept_apart, told_apart
from adapters.charges.coded_lines import OTHER, Coded, coded_line
from adapters.charges.lines import UNDECIDED, Bench
from adapters.charges.netting import netted
from adapters.model.charge import Charge, Finding, Hold, Slot
from adapters.model.claim import ClaimType
from adapters.model.episode import visit_number
from adapters.model.event import Event
from adapters.model.site import Mode
from adapters.model.why import Fact, Source, Why
from adapters.rules import Decision, Nothing

_COUNTED = frozenset({"management", "physics"})
"""Services whose lines stand for several sessions."""


def modes(bench: Bench, coded: Sequence[Event]) -> None:
    """Set the coded charges of the episode against what was derived, family by family."""
    ours: dict[str, list[Charge | Hold]] = defaultdict(list)
    for charge in bench.charges:
        ours[charge.slot.service].append(charge)
    for hold in bench.holds:
        if not hold.instead_of:
            ours[hold.slot.service].append(hold)
    derived_families = {*ours, *(hold.slot.service for hold in bench.holds), *_from_the_record(bench)}
    met, apart = told_apart(bench, read_coded(bench, coded))
    _family_by_family(bench, ours, met, derived_families)
    # What is of another date than all that we derived is billed as it would be by itself, but for what may repeat it.
    _family_by_family(bench, {}, kept_apart(bench, apart, met) if apart else [], set())


def _family_by_family(
    bench: Bench, ours: Mapping[str, Sequence[Charge | Hold]], read: Sequence[Coded], derived_families: set[str]
) -> None:
    theirs: dict[str, list[Coded]] = defaultdict(list)
    for one in read:
        theirs[one.line.slot.service].append(one)
    # A family that nobody coded and the site says nothing of is derived, and there is nothing to set against it.
    spoken_of = {family.service for family in bench.contexts.site.families}
    for service in sorted({*ours, *theirs}):
        if service not in theirs and service not in spoken_of:
            continue
        by_mode = _by_mode(bench, service, ours.get(service, ()), theirs.get(service, ()), derived_families)
        for mode, days in by_mode.items():
            mine, others = days
            if mode is Mode.ACCEPT:
                _accept(bench, mine, others)
            elif others or mode is Mode.COMPARE:
                _meet(bench, mode, mine, others)


def read_coded(bench: Bench, coded: Sequence[Event]) -> list[Coded]:
    """The coded charges as lines of ours, credits netted and repetitions accounted for: one a slot."""
    read = [c for event in sorted(coded, key=lambda e: (e.start, e.line, e.id)) if (c := coded_line(bench, event))]
    # What names no visit is of one only when the credits have been set against what they may be of.
    return _each_once(bench, [_of_visit(bench, one) for one in netted(bench, read)])


def _from_the_record(bench: Bench) -> set[str]:
    """Families that a visit's record charges, also where it finds nothing due: a coded line of them then meets nothing."""
    if bench.episode.kind != "infusion":
        return set()
    given = [one for one in bench.episode.occurrences if one.happened]
    return {
        family for family in ("administration", "drug", "visit") if any(derives(bench, one, family) for one in given)
    }


def _of_visit(bench: Bench, one: Coded) -> Coded:
    return replace(one, line=replace(one.line, visit=visit_number(bench.episode, one.line.visit)))


def _each_once(bench: Bench, read: Sequence[Coded]) -> list[Coded]:
    """One coded charge a slot: another one of the same session repeats the first, or says something else than it."""
    known: dict[Slot, Coded] = {}
    for one in read:
        first = known.setdefault(one.line.slot, one)
        if first is one:
            continue
        if _bill(first.line) == _bill(one.line):
            _repeated(bench, one, first)
        else:
            bench.hold(
                "review-needed",
                OTHER,
                f"line:{one.event.line}",
                one.why,
                about=one.event.id,
                detail="another coded charge of the same session says something else",
            )
    return list(known.values())


def _account(bench: Bench, one: Coded, reason: str) -> None:
    """Account for a coded line that is not billed, and for all that it is the sum of."""
    for event in (one.event, *one.more):
        bench.skip(event, reason)


def _repeated(bench: Bench, again: Coded, first: Coded) -> None:
    _account(bench, again, "duplicate-report")
    before = replace(first.why.facts[0], name="reported before")
    why = Why(again.why.rule, (*again.why.facts, before))
    bench.findings.append(Finding("duplicate-suppressed", again.event.id, why, again.line.code, again.line.slot))


def _bill(line: Charge) -> tuple[object, ...]:
    return (line.code, frozenset(line.modifiers), line.units, line.start, line.entity, line.component)


def _by_mode(
    bench: Bench,
    service: str,
    ours: Sequence[Charge | Hold],
    theirs: Sequence[Coded],
    derived: set[str],
) -> dict[Mode, tuple[list[Charge | Hold], list[Coded]]]:
    """Both sides of a family, by the mode in force on each line's date at its place."""
    sides: dict[Mode, tuple[list[Charge | Hold], list[Coded]]] = defaultdict(lambda: ([], []))
    default = Mode.DERIVE if service in derived else Mode.ACCEPT

    def mode_on(day: date, facility: str) -> Mode:
        family = bench.contexts.site.mode(service, day, facility)
        return family.mode if family else default

    for outcome in ours:
        sides[mode_on(_day(bench, outcome), _facility(bench, outcome))][0].append(outcome)
    for one in theirs:
        sides[mode_on(one.event.day, _facility(bench, one.line))][1].append(one)
    return sides


def _facility(bench: Bench, outcome: Charge | Hold) -> str:
    """Where the outcome is billed, by its entity; the site's first place where nobody is named."""
    entity = outcome.slot.part.partition(":")[0]
    places = bench.contexts.site.facilities
    return next((f.id for f in places if any(e.id == entity for e in f.entities)), places[0].id)


def _day(bench: Bench, outcome: Charge | Hold) -> date:
    """The date of service; of a hold that could not even say its line, that of the event it is about."""
    charge = outcome if isinstance(outcome, Charge) else outcome.would
    if charge is not None:
        return charge.start
    about = outcome.about if isinstance(outcome, Hold) else ""
    days = (o.day for o in bench.episode.occurrences if any(report.id == about for report in o.reports))
    return next(days, date.min)


def _accept(bench: Bench, ours: Sequence[Charge | Hold], theirs: Sequence[Coded]) -> None:
    """Theirs is billed; what we derived of the family is evidence only, and of what they miss a finding."""
    dropped = set(map(id, ours))
    bench.charges = [c for c in bench.charges if id(c) not in dropped]
    bench.holds = [h for h in bench.holds if id(h) not in dropped]
    for mine, other in pairs_of(bench, ours, theirs):
        if mine is not None:
            bench.left_to_coded.append(mine.why)
        if other is not None:
            line = other.line if mine is None or mine.slot.part == UNDECIDED else replace(other.line, slot=mine.slot)
            bench.bill([line], other.event.id)
        if isinstance(mine, Charge):
            words = {"mode": Mode.ACCEPT.value, "ours": "present", "theirs": "present" if other else "absent"}
            decision = bench.rules.decide("coded-charges", mine.start, words)
            if isinstance(decision, Decision) and (finding := decision.values.get("finding", "")):
                bench.findings.append(Finding(finding, about_of(bench, mine), mine.why, mine.code, mine.slot))


def _meet(bench: Bench, mode: Mode, ours: Sequence[Charge | Hold], theirs: Sequence[Coded]) -> None:
    """Pair both sides slot by slot and let the table `coded-charges` say what is billed and what is remarked.

    A line that we hold ourselves is no missed charge; a coded charge that no payer could take is held as it is, and one
    that repeats another without a second service is a duplicate (cases/ro/README: it takes part in no comparison).
    """
    if mode is Mode.COMPARE:
        theirs = [other for other in theirs if not _unpayable(bench, other)]
    pairs = pairs_of(bench, ours, theirs)
    met = {_bill(other.line): other for mine, other in pairs if mine is not None and other is not None}
    for mine, other in pairs:
        if other is None and isinstance(mine, Hold):
            continue
        if mine is None and other is not None and (first := met.get(_bill(other.line))):
            _repeated(bench, other, first)
            continue
        if other is not None and isinstance(mine, Hold) and mine.would is None:
            _account(bench, other, "coded-not-billed")
            continue
        words = {"mode": mode.value} | _compared(mine, other)
        day = other.event.day if other else _day(bench, mine) if mine else date.min
        words["prefer"] = _preference(bench, mine, other)
        decision = bench.rules.decide("coded-charges", day, words)
        if isinstance(decision, Nothing):
            why = other.why if other else mine.why if mine else None
            if why is not None:
                about = other.event.id if other else ""
                bench.hold("review-needed", OTHER, about, why, about=about, detail=decision.detail)
            continue
        _apply(bench, decision.values, mine, other)


def _unpayable(bench: Bench, other: Coded) -> bool:
    """Hold a coded charge of a code that is not in force, or of more units than its date can ever have (MAI 2)."""
    line, day = other.line, other.event.day
    if bench.rules.attributes(line.code, day) is None:
        bench.hold("not-effective", "", "", other.why, would=line, about=other.event.id)
        return True
    limit = bench.rules.limit(line.code, day, _table(bench, line.entity))
    if limit is not None and limit.mai == "2" and line.units > limit.units:
        most = Fact("unit limit of the date", str(limit.units), Source("rules", limit.ref.file))
        why = Why(limit.ref, (*other.why.facts, most))
        bench.hold("units-exceeded", "", "", why, would=line, about=other.event.id)
        return True
    return False


def _table(bench: Bench, entity: str) -> str:
    """The table of unit limits that binds an entity, by the form of its claims."""
    entities = (e for place in bench.contexts.site.facilities for e in place.entities)
    billing = next((e for e in entities if e.id == entity), None)
    return "hospital" if billing and billing.claim_type is ClaimType.INSTITUTIONAL else "practitioner"


def _preference(bench: Bench, mine: Charge | Hold | None, other: Coded | None) -> str:
    outcome = mine or (other.line if other else None)
    if outcome is None:
        return "ours"
    day = other.event.day if other else _day(bench, outcome)
    family = bench.contexts.site.mode(outcome.slot.service, day, _facility(bench, outcome))
    return family.prefer if family else "ours"


def _compared(mine: Charge | Hold | None, other: Coded | None) -> dict[str, str]:
    charge = mine if isinstance(mine, Charge) else mine.would if mine else None
    words = {"ours": "present" if mine else "absent", "theirs": "present" if other else "absent"}
    words["held"] = "true" if isinstance(mine, Hold) else "false"
    if charge and other:
        line = other.line
        same = (charge.code, set(charge.modifiers), charge.units) == (
            line.code,
            set(line.modifiers),
            line.units,
        )
        words["same"] = "true" if same else "false"
        if charge.price is not None and line.price is not None:
            a, b = charge.amount, line.amount
            words["level"] = "equal" if a == b else "lower" if b < a else "higher"
        else:
            words["level"] = "equal"
    return words


def _apply(bench: Bench, values: Mapping[str, str], mine: Charge | Hold | None, other: Coded | None) -> None:
    bill = values.get("bill", "ours")
    about = about_of(bench, mine) if mine else other.event.id if other else ""
    if finding := values.get("finding", ""):
        why = mine.why if mine else other.why if other else None
        slot = mine.slot if mine else other.line.slot if other else None
        if why is not None:
            bench.findings.append(Finding(finding, about, why, other.line.code if other else "", slot))
    if bill == "theirs" and other:
        if isinstance(mine, Charge):
            bench.charges = [c for c in bench.charges if c is not mine]
            bench.bill([replace(other.line, slot=mine.slot)], other.event.id)
        elif mine is None:
            bench.bill([other.line], other.event.id)
    if other and (bill != "theirs" or isinstance(mine, Hold)):
        _account(bench, other, "coded-not-billed")


def about_of(bench: Bench, outcome: Charge | Hold) -> str:
    """The id of the event that an outcome of ours is about: of a unit, its last session."""
    if isinstance(outcome, Hold):
        return outcome.about
    reports = {(r.source.message, r.source.at, r.kind): r for o in bench.episode.occurrences for r in o.reports}
    kinds = ("fraction",) if outcome.slot.service in _COUNTED else tuple(dict.fromkeys(k for _, _, k in reports))
    places = [(f.source.message, f.source.at) for f in outcome.why.facts if f.name == "event"]
    found = [reports[*place, kind] for place in places for kind in kinds if (*place, kind) in reports]
    if not found:
        return ""
    return found[-1].id if outcome.slot.service in _COUNTED else found[0].id


def pairs_of(
    bench: Bench, ours: Sequence[Charge | Hold], theirs: Sequence[Coded]
) -> list[tuple[Charge | Hold | None, Coded | None]]:
    """Both sides of a family, one to one: by shared identity (record UID, the same FT1), then by part, date and running
    number of the day."""
    left, right = list(ours), list(theirs)
    found: list[tuple[Charge | Hold | None, Coded | None]] = []

    def match(test: Callable[[Charge | Hold, Coded], bool]) -> None:
        for other in list(right):
            parts = (other.line.slot.part, UNDECIDED)
            fitting = [m for m in left if m.slot.part in parts and test(m, other)]
            if fitting:
                left.remove(fitting[0])
                right.remove(other)
                found.append((fitting[0], other))

    match(lambda m, o: m.slot.key == o.line.slot.key)
    match(
        lambda m, o: any(
            f.source.message == o.event.source.message and _ft1(f.source.at) == _ft1(o.event.source.at)
            for f in m.why.facts
        )
    )
    match(lambda m, o: _day(bench, m) == o.event.day and _bill_of(m) == _bill_of(o.line))
    match(lambda m, o: _day(bench, m) == o.event.day and _code(m) == o.line.code)
    match(lambda m, o: _day(bench, m) == o.event.day)
    return [*found, *((m, None) for m in left), *((None, o) for o in right)]


def _bill_of(outcome: Charge | Hold) -> tuple[object, ...]:
    """Code, modifiers and drug code: what tells the lines of one day of a visit apart."""
    charge = outcome if isinstance(outcome, Charge) else outcome.would
    return () if charge is None else (charge.code, frozenset(charge.modifiers), charge.ndc)


def _code(outcome: Charge | Hold) -> str:
    return outcome.code if isinstance(outcome, Charge) else outcome.would.code if outcome.would else ""


def _ft1(at: str) -> str:
    """The segment a place lies in: `FT1[2]-25` → `FT1[2]`; other places stand for themselves."""
    return at.partition("-")[0]
