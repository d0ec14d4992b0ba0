"""Remarks on a course as a whole, for a person: they change no charge (mappings/edits/course-remarks.toml)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from adapters.charges.lines import Bench
from adapters.model.charge import Finding
from adapters.model.episode import Occurrence
from adapters.model.event import Event
from adapters.model.why import Fact, Source, Why
from adapters.rules import Nothing

_GENERAL = ("3d-plan", "isodose-plan", "imrt-plan", "special-port-plan")


def concurrent(bench: Bench, daily: Sequence[Occurrence]) -> None:
    """Remark, once, that another course had sessions on the dates of this one: no source says how to count them (5.7)."""
    if not bench.others:
        return
    theirs = {
        session.day: session
        for episode in bench.others
        if episode.label
        for session in reversed(episode.of("fraction"))
        if not session.value("regime")
    }
    shared = [session for session in daily if session.day in theirs]
    if not shared:
        return
    facts = []
    for session in shared:
        facts += [session.named, replace(theirs[session.day].named, name="session of the other course")]
    days = len({session.day for session in shared})
    _remark(bench, "concurrent", shared[0], tuple(facts), f"{days} dates" if days > 1 else "1 date")


def gaps(bench: Bench, sessions: Sequence[Occurrence], closed: bool, coded: Sequence[Event]) -> None:
    """Remark what a course that has ended has not on file although such a course has it (10.2), with its price."""
    if not closed or not sessions:
        return
    known = {event.value("code") for event in coded}
    for kind, because in _missing(bench, sessions):
        _remark(bench, kind, sessions[-1], (because.named,), unless=known)


def _missing(bench: Bench, sessions: Sequence[Occurrence]) -> Iterator[tuple[str, Occurrence]]:
    """(what is missing, the session that speaks for it)."""
    of = bench.episode.of
    daily = [session for session in sessions if not session.value("regime")]
    if daily and not of("planning"):
        yield "no-planning", daily[0]
    by_imrt = next((one for one in daily if one.value("technique") == "imrt"), None)
    if by_imrt and not of("imrt-plan"):
        yield "no-imrt-plan", by_imrt
    by_3d = next((one for one in daily if one.value("technique") == "3d"), None)
    if by_3d and not of(*_GENERAL):
        yield "no-plan", by_3d
    moved = next((one for one in daily if one.flag("motion.active") and one.flag("motion.documented")), None)
    if moved and of("imrt-plan", "3d-plan") and not of("motion-simulation"):
        yield "no-motion-simulation", moved


def _remark(
    bench: Bench,
    kind: str,
    about: Occurrence,
    facts: tuple[Fact, ...],
    value: str = "",
    unless: frozenset[str] | set[str] = frozenset(),
) -> None:
    """Add the finding that the rule gives, if it gives one and no coded charge has its code."""
    context = bench.context(about)
    decision = bench.decide("course-remarks", context, {"kind": kind})
    if isinstance(decision, Nothing) or "finding" not in decision.values:
        return
    code = decision.values.get("value", "")
    if code and code in unless:
        return
    if code:
        entity = context.facility.entities[0].id
        price, priced = bench.price(code, (), entity, about.day, context.facility)
        if price is not None:
            facts = (*facts, *(priced or (Fact("price", str(price), Source("site", f"price of {code}")),)))
    bench.findings.append(
        Finding(decision.values["finding"], about.primary.id, Why(decision.ref, facts), value or code)
    )
