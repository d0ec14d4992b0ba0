"""Is everything that was made wrong found, and nothing else? The month's list of faults against what our side says.

What our side says is what people look at: the differences of the reconciliation, the work list, parked messages, the
evidence of calls. Each fault must be seen by the finding that is meant for it; each finding must go back to a fault.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import Enum
from typing import Final

from adapters.demo.check import EVERY
from adapters.demo.month import Played
from adapters.model.journal import JournalKind
from adapters.model.reconciliation import Reconciliation, Row, Stage
from adapters.model.record import PersonRecord
from adapters.pipeline.exchange import decode_exchange
from adapters.pipeline.stated import assembled
from adapters.pipeline.step import family_by, person_contexts
from adapters.reconciling import Desk, gathered, reconcile_record
from fhir_server_stub.month_faults import Fault, FaultKind

LATE: Final = timedelta(days=10)
"""A service that is charged longer than this after its day counts as late."""
FOUND_BY: Final[Mapping[FaultKind, frozenset[str]]] = {
    "missed": frozenset({"not-coded"}),
    "doubled": frozenset({"charged-twice"}),
    "late": frozenset({"late"}),
    "wrong-level": frozenset({"coded-lower", "coded-higher", "coded-differently"}),
    "wrong-payer": frozenset({"denied"}),
    "lost-answer": frozenset({"lost-answer"}),
    "parked": frozenset({"parked"}),
    "undocumented": frozenset({"not-documented"}),
    "not-delivered": frozenset({"not-delivered"}),
}
"""What must say so, by kind of fault: a difference of the reconciliation, or one of the four names of ours below."""


class Reach(Enum):
    """How far from its day a fault shows, at the same person."""

    DAY = "day"
    WEEK = "week"
    COURSE = "course"


@dataclass(frozen=True, slots=True)
class Follow:
    """What else a fault makes our side say."""

    names: frozenset[str]
    reach: Reach = Reach.DAY


FOLLOWS: Final[Mapping[FaultKind, Follow]] = {
    "missed": Follow(
        frozenset({"detector:fraction-uncharged", "detector:dose-uncharged", "detector:administration-uncharged"})
    ),
    "wrong-level": Follow(frozenset({"detector:level-mismatch"})),
    "not-delivered": Follow(frozenset({"detector:order-without-dose"})),
    # Of a torn report nothing is known: its booking seems not kept, its coded charge to be without a service.
    "parked": Follow(frozenset({"not-delivered", "coded-without-service"})),
    # A payer that wants a week on one claim gets none of it while one line is held.
    "undocumented": Follow(frozenset({"not-claimed", "correction-waiting"}), Reach.WEEK),
    # The units that count the session by fives could only be charged when it was known.
    "late": Follow(frozenset({"late"}), Reach.COURSE),
    # What was charged twice is one too many for an authorization, and for the five sessions of a stereotactic course.
    "doubled": Follow(frozenset({"detector:over-authorized", "detector:management-conflict"}), Reach.COURSE),
    "wrong-payer": Follow(frozenset({"part-denied"}), Reach.COURSE),
}
MRN: Final = "urn:clinic:mrn"


@dataclass(frozen=True, slots=True)
class Sighting:
    """One thing that our side says. `name`: the difference's, `late`, `parked`, `lost-answer`, `detector:…`, `work:…`."""

    name: str
    mrn: str
    day: date | None
    about: str
    """The id that `oncoclaims explain` or `trace` takes; of a parked message its control id."""
    words: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The two lists set against each other."""

    found: tuple[tuple[Fault, tuple[Sighting, ...]], ...]
    """Each fault with what saw it; nothing for one that was missed."""
    invented: tuple[Sighting, ...]
    """What goes back to no fault."""

    @property
    def missed(self) -> tuple[Fault, ...]:
        """Faults that nothing saw."""
        return tuple(fault for fault, seen in self.found if not seen)

    @property
    def holds(self) -> bool:
        """Whether all is found and nothing invented."""
        return not self.missed and not self.invented


def verdict(played: Played, report: Reconciliation) -> Verdict:
    """Match faults and sightings. One sighting may be of several faults, and one fault seen several times."""
    faults = [_of_claim(fault, played) for fault in played.month.faults]
    seen = tuple(sightings(played, report))
    found, explained = [], set[Sighting]()
    for fault in faults:
        by = tuple(one for one in seen if one.name in FOUND_BY[fault.kind] and _fits(one, fault))
        after = tuple(one for one in seen if _follows(one, fault))
        explained.update(by, after)
        found.append((fault, (*by, *(one for one in after if one not in by)) if by else ()))
    return Verdict(tuple(found), tuple(one for one in seen if one not in explained))


def reconciled(played: Played) -> Reconciliation:
    """The reconciliation of all days of the month, as it looks on the day on which the play ended."""
    house, wired = played.wired.house, played.wired
    start, today = played.month.begins.date(), wired.clock.now().astimezone(played.month.ends.tzinfo).date()
    end = today - timedelta(days=1)
    parts = []
    for record in played.records:
        assembly = assembled(record.person, record.events, family_by(house))
        desk = Desk(person_contexts(assembly, house), house.rules, house.prices)
        parts.append(reconcile_record(record, assembly, desk, start, end, today))
    return gathered(parts, start, end, today)


def sightings(played: Played, report: Reconciliation) -> Iterator[Sighting]:
    """All that our side says at the end."""
    numbers = {record.person: _mrn(record) for record in played.records}
    told: set[str] = set()
    for row in report.rows:
        for one in row.differences:
            told.add(one.item)
            words = ", ".join(filter(None, (row.name, one.code, one.detail)))
            yield Sighting(one.name, numbers[row.person], row.day, one.about, words)
        if _late(row):
            charge = next(iter(row.charges), "")
            yield Sighting("late", numbers[row.person], row.day, charge, f"{row.name}, charged {_charged(row)}")
    for detection in report.detections:
        name, said = f"detector:{detection.detector}", f"{detection.side.value}: {detection.detail}"
        yield Sighting(name, numbers[detection.person], detection.day, detection.about, said)
    yield from _parked(played)
    yield from _lost(played)
    for record in played.records:
        differing = [row for row in report.rows if row.person == record.person and row.differences]
        rows = {about for row in differing for about in (*row.charges, *row.events)}
        claims = {c.claim.id for c in record.claims for line in c.claim.lines if {*line.charges} & rows}
        for item in record.work:
            if item.closed is None and item.id not in told and item.about not in rows | claims:
                yield Sighting(f"work:{item.kind}", numbers[record.person], None, item.about, item.detail or item.code)


def _late(row: Row) -> bool:
    on = row.at(Stage.CHARGED).on
    return on is not None and on - row.day > LATE


def _charged(row: Row) -> str:
    on = row.at(Stage.CHARGED).on
    return on.isoformat() if on else ""


def _parked(played: Played) -> Iterator[Sighting]:
    for parked in played.wired.store.parked():
        entry = played.wired.store.entry(parked.entry)
        control = entry.control if entry else ""
        yield Sighting("parked", "", None, control, f"{parked.reason}: {parked.detail}")


def _lost(played: Played) -> Iterator[Sighting]:
    """Calls that left and were never answered, by the evidence that was journalled of them."""
    for entry in played.wired.store.journal(limit=EVERY):
        if entry.kind is JournalKind.ANSWER:
            exchange = decode_exchange(entry.body)
            if exchange.failure == "no-answer":
                day = entry.at.astimezone(played.month.ends.tzinfo).date()
                yield Sighting("lost-answer", "", None, exchange.claim, f"{exchange.call} of {day}: no answer came")


def _of_claim(fault: Fault, played: Played) -> Fault:
    """A lost answer with the claim that it was of, as the payer counted them."""
    return replace(fault, key=_nth_claim(played, fault.nth)) if fault.kind == "lost-answer" else fault


def _nth_claim(played: Played, nth: int) -> str:
    with urllib.request.urlopen(f"{played.payer_url}/control/requests", timeout=10) as answer:  # noqa: S310 - our stub
        asked = json.loads(answer.read())["requests"]
    claims = list(dict.fromkeys(one["claim"].rpartition("|")[2] for one in asked if one["claim"]))
    return claims[nth - 1] if len(claims) >= nth else ""


def _fits(one: Sighting, fault: Fault) -> bool:
    """Whether it is about the thing that was made wrong."""
    if one.name == "parked":
        return one.about == fault.control
    if one.name == "lost-answer":
        return bool(fault.key) and one.about == fault.key
    whole = fault.day is None or fault.key.startswith(
        "OTV"
    )  # a missing visit shows on the day of the unit it belongs to
    return one.mrn == fault.mrn and (whole or one.day == fault.day)


def _follows(one: Sighting, fault: Fault) -> bool:
    """Whether it is what else the fault brings about, within its reach."""
    follow = FOLLOWS.get(fault.kind)
    if follow is None or one.name not in follow.names or one.mrn != fault.mrn:
        return False
    if follow.reach is Reach.COURSE or fault.day is None or one.day is None:
        return True
    if follow.reach is Reach.WEEK:
        return one.day.isocalendar()[:2] == fault.day.isocalendar()[:2]
    return one.day == fault.day


def _mrn(record: PersonRecord) -> str:
    return next((one.value for one in record.identifiers if one.system == MRN), "")
