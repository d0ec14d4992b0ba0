"""The time engine: what the administrations of one visit at one access site are, from their minutes.

A pure function of runs and terms; it knows no codes. Each run is the initial service, comes after it, beside it or again,
or owes nothing, and no minute is counted for two of them (medical-oncology-and-revenue-cycle.md 1.2, 1.3). What the
minutes do not decide is a problem for a person. Codes stand in mappings/charges/infusion.toml.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from adapters.charges.minutes import Span, after, further_hours, minutes, union, without

INFUSION: Final = "infusion"
PUSH: Final = "push"
HYDRATION: Final = "hydration"


class Run(NamedTuple):
    """One administration: a drug that ran in, was pushed, or fluids."""

    key: str
    form: str
    """`infusion`, `push` or `hydration` as reported; a short infusion becomes a push here."""
    drug: str
    """What tells the drug from others: its code, else its name; empty: not known, and like no other."""
    chemo: bool
    spans: tuple[Span, ...]
    """When it ran, pauses left out; of a push the instant alone."""
    rank: int
    """Of possible initial services the lowest counts (1.3 I2, I3)."""
    push_rank: int
    """Its rank should its minutes make it a push."""
    reason: bool = False
    """Whether it is the documented primary reason of the visit (1.3 I5)."""

    @property
    def start(self) -> datetime:
        """When it began."""
        return self.spans[0][0]


@dataclass(frozen=True, slots=True)
class Terms:
    """The thresholds in force, in minutes; None where nobody has said and it must be asked."""

    push_max: int = 15
    additional: int = 31
    overlap: int | None = None
    hydration: int = 31
    intervals: str = ""
    """`each` or `together`: how gaps with hydration alone are counted; empty: nobody has said."""
    same_drug_gap: int = 31
    by_reason: bool = False
    """The primary reason decides the initial service (an office), before the ranks do."""
    same_drug_pushes: bool = True
    """Whether a push of the same drug may count again at all (a facility)."""


class Served(NamedTuple):
    """What one run comes to."""

    run: Run
    form: str
    role: str
    """`initial`, `additional`, `sequential`, `concurrent`, `subsequent`, `same-drug`; empty: no service of its own."""
    units: tuple[datetime, ...] = ()
    """When each unit began."""
    idle: str = ""
    """Why it owes nothing."""
    problem: str = ""
    """Why a person must decide; an option that is missing begins with `option:`."""
    spans: tuple[Span, ...] = ()
    """The minutes that it is billed for, which are no other service's."""


@dataclass(slots=True)
class _Visit:
    """The services found so far, and the minutes they take."""

    terms: Terms
    found: list[Served] = field(default_factory=list)
    counted: list[Span] = field(default_factory=list)
    drugs: set[str] = field(default_factory=set)
    """Drugs that were infused."""
    beside: bool = False
    """Whether a concurrent infusion is billed: it is so once a visit (1.2 T10)."""

    def timed(self, run: Run, form: str, spans: tuple[Span, ...], role: str) -> None:
        """A service of hours: its first, then the further ones."""
        more = further_hours(minutes(spans), self.terms.additional)
        self.found.append(Served(run, form, role, (spans[0][0],), spans=spans))
        if more:
            begun = tuple(after(spans, 60 * hour) for hour in range(1, more + 1))
            self.found.append(Served(run, form, "additional", begun))
        self.counted.extend(spans)


def arrange(runs: Sequence[Run], terms: Terms) -> tuple[Served, ...]:
    """The services of the runs of one visit and access site; the order of `runs` plays no part."""
    ordered = sorted(runs, key=lambda run: (run.start, run.key))
    forms = {run.key: _form(run, terms) for run in ordered}
    alone = {run.key: gaps for run, gaps in _hydration(ordered)}
    hydrated, problems = {}, {}
    for key, gaps in alone.items():
        hydrated[key], problems[key] = _counted(gaps, terms)
    initial = _initial([run for run in ordered if forms[run.key] != HYDRATION or hydrated[run.key]], forms, terms)
    visit = _Visit(terms)
    infusions = [run for run in ordered if forms[run.key] == INFUSION]
    infusions.sort(key=lambda run: (run is not initial, not run.chemo, run.start, -minutes(run.spans), run.key))
    for run in infusions:
        _infusion(visit, run, initial)
    _pushes(visit, [run for run in ordered if forms[run.key] == PUSH], initial)
    for run in ordered:
        if forms[run.key] == HYDRATION:
            _fluids(visit, run, hydrated[run.key], problems[run.key], run is initial)
    return tuple(visit.found)


def _form(run: Run, terms: Terms) -> str:
    """A bag of few minutes is a push (T1)."""
    return PUSH if run.form == INFUSION and minutes(run.spans) <= terms.push_max else run.form


def _initial(candidates: Sequence[Run], forms: dict[str, str], terms: Terms) -> Run | None:
    """The initial service: an office's documented reason, else the best rank, then the longest, then the first."""
    reasons = [run for run in candidates if run.reason] if terms.by_reason else []
    if reasons:
        return reasons[0]

    def order(run: Run) -> tuple[object, ...]:
        shortened = run.form == INFUSION and forms[run.key] == PUSH
        rank = run.push_rank if shortened else run.rank
        return rank, -minutes(run.spans), run.start, run.key

    return min(candidates, key=order, default=None)


def _infusion(visit: _Visit, run: Run, initial: Run | None) -> None:
    terms, spans = visit.terms, union(run.spans)
    if run.drug and run.drug in visit.drugs:
        problem = "a second bag of the same drug: whether it continues the first is not said"
        visit.found.append(Served(run, INFUSION, "", problem=problem))
        return
    if run.drug:
        visit.drugs.add(run.drug)
    if run is initial:
        visit.timed(run, INFUSION, spans, "initial")
        return
    own = without(spans, visit.counted)
    together = 0 if own == spans else minutes(without(spans, own))
    if together and terms.overlap is None:
        visit.found.append(Served(run, INFUSION, "", problem="option:infusion.concurrent_min_overlap"))
    elif terms.overlap is not None and together and together >= terms.overlap:
        if not run.chemo and visit.beside:
            visit.found.append(Served(run, INFUSION, "", idle="concurrent-once"))
            return
        visit.beside = visit.beside or not run.chemo
        visit.found.append(Served(run, INFUSION, "concurrent", (run.start,)))
    elif minutes(own) <= terms.push_max:
        problem = "too short beside another infusion to be concurrent, and too short after it"
        visit.found.append(Served(run, INFUSION, "", problem=problem))
    else:
        visit.timed(run, INFUSION, own, "sequential")


def _pushes(visit: _Visit, pushes: Sequence[Run], initial: Run | None) -> None:
    """Pushes in order of time; the same drug again counts in a facility, and only after a while (T9)."""
    last: dict[str, datetime] = {}
    for run in pushes:
        before = last.get(run.drug) if run.drug else None
        if run.drug:
            last[run.drug] = run.start
        if run is initial:
            visit.found.append(Served(run, PUSH, "initial", (run.start,)))
        elif before is None:
            visit.found.append(Served(run, PUSH, "subsequent", (run.start,)))
        elif not visit.terms.same_drug_pushes or minutes([(before, run.start)]) < visit.terms.same_drug_gap:
            visit.found.append(Served(run, PUSH, "", idle="same-drug-push"))
        else:
            visit.found.append(Served(run, PUSH, "same-drug", (run.start,)))


def _hydration(ordered: Sequence[Run]) -> list[tuple[Run, tuple[Span, ...]]]:
    """Each bag of fluids with the gaps in which it ran alone (T7); of two bags at once the first has them."""
    taken = [span for run in ordered if run.form == INFUSION for span in run.spans]
    found = []
    for run in ordered:
        if run.form == HYDRATION:
            gaps = without(run.spans, taken)
            found.append((run, gaps))
            taken.extend(gaps)
    return found


def _counted(gaps: tuple[Span, ...], terms: Terms) -> tuple[tuple[tuple[Span, ...], ...], str]:
    """The stretches of hydration that are long enough, by the way in which gaps are counted; or that it must be asked."""
    each = tuple((gap,) for gap in gaps if minutes((gap,)) >= terms.hydration)
    together = (gaps,) if minutes(gaps) >= terms.hydration else ()
    if terms.intervals == "together":
        return together, ""
    if not terms.intervals and _hours(each, terms) != _hours(together, terms):
        return each, "option:infusion.hydration_intervals"
    return each, ""


def _hours(stretches: Sequence[tuple[Span, ...]], terms: Terms) -> int:
    return sum(1 + further_hours(minutes(spans), terms.additional) for spans in stretches)


def _fluids(visit: _Visit, run: Run, stretches: Sequence[tuple[Span, ...]], problem: str, first: bool) -> None:
    if problem:
        visit.found.append(Served(run, HYDRATION, "", problem=problem))
        return
    for spans in stretches:
        visit.timed(run, HYDRATION, spans, "initial" if first else "sequential")
        first = False
    if not stretches:
        visit.found.append(Served(run, HYDRATION, "", idle="hydration-too-short"))
