"""What a rehearsal found, as its page and its file show it: the outcome, and line by line what would be another."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from adapters.errors import StoreDown
from adapters.model.charge import Charge
from adapters.model.money import Cents, decimal
from adapters.model.record import PersonRecord, Tick
from adapters.pages.aside import called
from adapters.pages.lists import MOST
from adapters.pages.names import course_name, hold_name, is_plain
from adapters.pages.wired import PageStore
from adapters.pipeline import House
from adapters.pipeline.rehearse import Change, Outcome, Rehearsal, name_of, outcome_of, rehearse
from adapters.pipeline.stated import assembled
from adapters.pipeline.step import family_by

COLUMNS: Final = (
    "what", "day", "patient", "service", "key", "part", "now", "units now", "amount now", "then", "units then",
    "amount then", "effect", "hold", "status", "charge", "claim", "rule", "since", "clause",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Side:
    """A line as it is on one side."""

    name: str
    """Code and modifiers; empty where there is no line."""
    units: int = 0
    amount: Cents | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One line that would be another."""

    group: str
    """Of changes that are alike (`group_name`)."""
    turn: str
    day: date | None
    patient: str
    service: str
    key: str
    part: str
    now: Side
    then: Side
    effect: Cents
    hold: str
    status: str
    sent: bool
    claim: str
    charge: str
    """Id of the charge on file, empty where there is none."""
    why: str
    """In an address: what is on file and explains itself, a charge or a hold; empty where nothing is."""
    course: str
    """In an address."""
    rule: str
    since: date
    cite: str


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What a look over the whole store found."""

    outcome: Outcome
    lines: tuple[Line, ...]
    """The greatest effect first; so many as a file has, at most."""
    failed: tuple[tuple[str, int], ...]
    """Persons for whom nothing could be derived: the kind of fault, and how many. They are in no sum."""


def looked_over(store: PageStore, now: House, then: House, at: datetime, count: Callable[[], None]) -> Rehearsed:
    """Everybody under both houses; `count` is called after each person. Writes nothing. Raises `StoreDown`.

    What a draft makes of one person may be impossible (two lines due for one service): that is told, and the rest shown.
    """
    tick = Tick(at, at.astimezone(ZoneInfo(then.site.zone)).date())
    lines: list[Line] = []
    failed: Counter[str] = Counter()

    def each() -> Iterator[Rehearsal]:
        nonlocal lines
        for lane in store.lanes():
            record = store.load(lane)
            if not record.root:
                try:
                    one = rehearse(record, now, then, tick)
                except StoreDown:
                    raise
                except Exception as error:  # noqa: BLE001  # of one person; its text may have what the draft says
                    failed[type(error).__name__] += 1
                else:
                    lines += _lines(record, one, now) if one.changes else ()
                    lines = _first(lines) if len(lines) > 2 * MOST else lines
                    yield one
            count()

    outcome = outcome_of(each())
    return Rehearsed(outcome, tuple(_first(lines)), tuple(failed.most_common()))


def group_name(key: tuple[str, str, str, str]) -> str:
    """What changes that are alike are called in an address."""
    return hashlib.sha256("\0".join(key).encode()).hexdigest()[:12]


def cells(line: Line) -> tuple[object, ...]:
    """A line of the file."""
    sides = [cell for side in (line.now, line.then) for cell in _cells(side)]
    lead = (line.turn, line.day, line.patient, line.service, line.key, line.part)
    about = (line.hold, line.status, line.charge, line.claim, line.rule, line.since, line.cite)
    return (*lead, *sides, decimal(line.effect), *about)


def _cells(side: Side) -> tuple[object, object, object]:
    amount = None if side.amount is None else decimal(side.amount)
    return (side.name, side.units, amount) if side.name else ("", None, None)


def _first(lines: list[Line]) -> list[Line]:
    order = sorted(lines, key=lambda one: (-abs(one.effect), one.day or date.min, one.patient, one.service, one.key))
    return order[:MOST]


def _lines(record: PersonRecord, one: Rehearsal, house: House) -> Iterator[Line]:
    assembly = assembled(record.person, record.events, family_by(house))
    courses = {episode.id for episode in assembly.episodes}
    charges = {on_file.id for on_file in record.charges}
    holds = {hold.slot: hold_name(record.person, hold) for hold in record.holds}
    patient = called(record)
    for change in one.changes:
        on_file = change.charge if change.charge in charges else ""
        yield Line(
            group=group_name(change.group),
            turn=change.turn.value,
            day=change.day,
            patient=patient,
            service=change.slot.service,
            key=change.slot.key,
            part=change.slot.part,
            now=_side(change.before),
            then=_side(change.after),
            effect=change.effect,
            hold=change.hold,
            status=change.status,
            sent=change.sent,
            claim=change.claim,
            charge=on_file,
            why=_why(change, on_file, holds.get(change.slot, "")),
            course=course_name(change.slot.episode) if change.slot.episode in courses else "",
            rule=change.rule.id,
            since=change.rule.since,
            cite=change.rule.cite,
        )


def _why(change: Change, charge: str, hold: str) -> str:
    """What on file says why the line is as it is now: the charge, or the hold that a line without one has."""
    return charge if charge and is_plain(charge) else "" if change.charge else hold


def _side(charge: Charge | None) -> Side:
    if charge is None:
        return Side("")
    return Side(name_of(charge), charge.units, None if charge.price is None else charge.amount)
