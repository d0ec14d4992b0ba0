"""What a person knows and no feed reported, set against what is on file: for `enter` and for pages alike.

`work.entered` reads what was typed; here it is found whom it concerns and which lines it speaks of. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from adapters.model import money
from adapters.model.charge import Charge, Hold
from adapters.model.decision import About, Saying, Verb, saying
from adapters.model.event import Event
from adapters.model.people import PersonHint
from adapters.model.record import ChargeStatus, PersonRecord
from adapters.work.entered import Entered, Line
from adapters.work.standing import about_hold

_LONGEST = 200
"""Characters of a value that the journal tells as it stood before."""


class Kept(Protocol):
    """What an id is, and whose."""

    @property
    def kind(self) -> str:
        """`event`, `charge`, …"""
        ...

    @property
    def person(self) -> str:
        """The lane; empty for what is of nobody."""
        ...


class PersonStore(Protocol):
    """The store as persons and what is theirs are found in it. Every method raises `StoreDown`."""

    def lane_of(self, hint: PersonHint, feed: str) -> str:
        """The lane of the person so named now, with nothing written; empty where nobody on file is named so."""
        ...

    def lanes_of(self, lane: str) -> tuple[str, ...]:
        """All lanes of the person of whom this is one, the root first."""
        ...

    def load(self, person: str) -> PersonRecord:
        """The person's record."""
        ...

    def find(self, id: str) -> Sequence[Kept]:
        """What an id is, and whose."""
        ...


@dataclass(frozen=True, slots=True)
class Placed:
    """What was entered, with whom it concerns."""

    person: PersonHint
    says: tuple[Saying, ...]


def placed(store: PersonStore, entered: Entered) -> Placed | tuple[str, ...]:
    """Whom it concerns and what it says, each saying with how things stood; or everything that does not fit what is on
    file, each with its path. Raises `StoreDown`."""
    placing = _Placing(store)
    lanes: list[str] = []
    if entered.lane and not store.lane_of(PersonHint(lane=entered.lane), ""):
        placing.problems.append("lane: nobody on file has it")
    for path, id in entered.events:
        found = [one.person for one in store.find(id) if one.kind == "event"]
        lanes += found
        if not found:
            placing.problems.append(f"{path}: no event on file has this id")
    lines = [one for line in entered.lines if (one := placing.line(line)) is not None]
    lanes += [lane for lane, _ in lines]
    # Of a person of several lanes: what is said of an event goes with the lane that the event is of.
    lanes += [entered.lane] if entered.lane and not placing.problems else []
    person = PersonHint(lane=next(iter(lanes), ""))
    of = placing.roots(lanes)
    if entered.patient is not None:
        person = PersonHint((entered.patient,))
        lane = store.lane_of(person, "")
        if not lane:
            placing.problems.append("patient: nobody on file has this identifier; the registration comes first")
        elif of - placing.roots([lane]):
            placing.problems.append("patient: what the file speaks of is another person's")
    else:
        if len(of) > 1:
            placing.problems.append("the file: it speaks of more than one person")
        if not lanes and not placing.problems:
            placing.problems.append("patient: is missing: nothing says whom the file is about")
    if placing.problems:
        return tuple(placing.problems)
    return Placed(person, (*map(placing.fact, entered.says), *(one for _, one in lines)))


class _Placing:
    """One look at what is on file, each record read once."""

    def __init__(self, store: PersonStore) -> None:
        self.problems: list[str] = []
        self._store = store
        self._records: dict[str, PersonRecord] = {}

    def roots(self, lanes: Iterable[str]) -> set[str]:
        """The persons of these lanes."""
        return {self._store.lanes_of(lane)[0] for lane in lanes}

    def line(self, line: Line) -> tuple[str, Saying] | None:
        """Whose a line is and what is said of it; None, and a problem, where there is no such line."""
        for lane in self._lanes(line.id):
            record = self._record(lane)
            for charge in record.charges:
                if charge.id == line.id and charge.status is not ChargeStatus.VOID:
                    return lane, _of_line(line, charge.charge, f"{_billed(charge.charge)}, {charge.status.value}")
            for hold in record.holds:
                if hold_line(hold) == line.id and (hold.would is not None or line.verb is Verb.DROP):
                    would = f"{_billed(hold.would)}, " if hold.would is not None else ""
                    return lane, _of_line(line, hold, f"{would}held: {hold.code}")
        self.problems.append(f"{line.path}.line: no charge or held line on file has this id, or it would bill nothing")
        return None

    def fact(self, one: Saying) -> Saying:
        """What is said of an event with what it said before; anything else as it is."""
        event = self._event(one.value("about.event")) if one.verb is Verb.FACT else None
        if event is None:
            return one
        name = one.value("fact.name")
        before = event.course if name == "course" else "; ".join(event.values(name))
        return saying(one.verb, one.words, before=before[:_LONGEST] or "not said", after=one.value("fact.value"))

    def _event(self, id: str) -> Event | None:
        if not id:
            return None
        lane = next((one.person for one in self._store.find(id) if one.kind == "event"), "")
        return next((event for event in self._record(lane).events if event.id == id), None) if lane else None

    def _lanes(self, line: str) -> tuple[str, ...]:
        """Who may have the line: an id of a held line begins with the lane of its episode."""
        found = tuple(one.person for one in self._store.find(line) if one.kind == "charge")
        lane, slash, _ = line.partition("/")
        return (*found, lane) if slash and self._store.lane_of(PersonHint(lane=lane), "") else found

    def _record(self, lane: str) -> PersonRecord:
        root = self._store.lanes_of(lane)[0]
        if root not in self._records:
            self._records[root] = self._store.load(root)
        return self._records[root]


def hold_line(hold: Hold) -> str:
    """The id by which a file names a held line: the same as `explain.hold_id`."""
    return f"{about_hold(hold)}|{hold.code}"


def _of_line(line: Line, about: Charge | Hold, before: str) -> Saying:
    words = {name: value for name, value in line.words if name != "modifier"}
    modifiers = [value for name, value in line.words if name == "modifier"]
    said = [words.get("code", ""), " ".join(modifiers), f"x {words['units']}" if "units" in words else ""]
    after = "not billed" if line.verb is Verb.DROP else f"billed as {' '.join(filter(None, said))}"
    return saying(line.verb, (*About.of(about.slot, about.why).words, *line.words), before=before, after=after)


def _billed(charge: Charge) -> str:
    priced = "" if charge.price is None else f" at {money.text(charge.amount)}"
    return f"{'-'.join((charge.code, *charge.modifiers))} x {charge.units}{priced}"
