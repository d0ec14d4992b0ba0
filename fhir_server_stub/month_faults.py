"""What goes wrong in a clinic's month, at known rates, and the list of it.

A person has at most one fault that changes what is known of a whole course (a report that is late, torn or wrong), or
any number of coding faults on days of their own, so that each difference a reader finds has one cause.
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random
from typing import Literal, get_args

from fhir_server_stub.month_course import Treated
from fhir_server_stub.month_infusion import Infused

FaultKind = Literal[
    "missed",
    "doubled",
    "late",
    "wrong-level",
    "wrong-payer",
    "lost-answer",
    "parked",
    "undocumented",
    "not-delivered",
]
KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
WORDS: dict[FaultKind, str] = {
    "missed": "delivered, its charge message never sent",
    "doubled": "its charge message sent twice, under another control id and transaction",
    "late": "reported weeks after it was delivered",
    "wrong-level": "the coded level contradicts what was delivered",
    "wrong-payer": "registered with the wrong plan",
    "lost-answer": "the payer answered, and the answer was lost",
    "parked": "the interface tore the report",
    "undocumented": "a review or visit was never documented",
    "not-delivered": "booked or ordered, neither delivered nor cancelled",
}
RATES: dict[FaultKind, float] = {
    "missed": 0.02,
    "doubled": 0.015,
    "wrong-level": 0.015,
    "late": 0.06,
    "wrong-payer": 0.06,
    "lost-answer": 0.08,
    "parked": 0.06,
    "undocumented": 0.12,
    "not-delivered": 0.10,
}
"""Of coding faults the share of sessions, of the others the share of courses; at least one of each kind."""
FEWEST = 10
"""Courses that are needed so that every kind of fault has a course of its own."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong. `key` names the session, dose or booking; `control` the message, where it is one."""

    id: str
    kind: FaultKind
    mrn: str
    day: date | None
    key: str = ""
    control: str = ""
    detail: str = ""
    nth: int = 0
    """Of a lost answer: which claim it is, counted as the payer first sees them."""

    @property
    def words(self) -> str:
        """What went wrong, in words."""
        return f"{WORDS[self.kind]}: {self.detail}" if self.detail else WORDS[self.kind]


@dataclass(frozen=True, slots=True)
class Seeded:
    """The month's people with their faults put in."""

    courses: tuple[Treated, ...]
    infusions: tuple[Infused, ...]
    faults: tuple[Fault, ...]


def seed_faults(dice: Random, courses: tuple[Treated, ...], infusions: tuple[Infused, ...]) -> Seeded:
    """Put faults into the plans; the coding faults are carried out by who writes the coded charges."""
    sower = _Sower(dice, list(courses), list(infusions))
    sower.sow()
    return Seeded(tuple(sower.courses), tuple(sower.infusions), tuple(sower.faults))


class _Sower:
    """Chooses victims; `free` are the courses that have no fault yet, in an order drawn once."""

    def __init__(self, dice: Random, courses: list[Treated], infusions: list[Infused]) -> None:
        self.dice, self.courses, self.infusions = dice, courses, infusions
        self.free = list(range(len(courses)))
        dice.shuffle(self.free)
        self.faults: list[Fault] = []

    def sow(self) -> None:
        sessions = sum(len(one.script.sessions) for one in self.courses)
        count = {kind: max(1, round(rate * len(self.courses))) for kind, rate in RATES.items()}
        for kind in ("missed", "doubled", "wrong-level"):
            count[kind] = max(1, round(RATES[kind] * sessions))
        for _ in range(count["wrong-payer"]):
            self._wrong_payer()
        for _ in range(count["late"]):
            self._late()
        for _ in range(count["parked"]):
            self._parked()
        for number in range(count["undocumented"]):
            self._undocumented(number)
        for number in range(count["not-delivered"]):
            self._not_delivered(number)
        self._coding(count)
        for nth in self.dice.sample(range(2, max(3, len(self.courses)) + count["lost-answer"]), count["lost-answer"]):
            self._note("lost-answer", "", None, detail=f"claim {nth} of those the payer sees", nth=nth)

    def _note(self, kind: FaultKind, mrn: str, day: date | None, **more: object) -> None:
        number = sum(fault.kind == kind for fault in self.faults) + 1
        self.faults.append(Fault(f"{kind}-{number:02d}", kind, mrn, day, **more))  # type: ignore[arg-type]

    def _take(self, fits: str = "") -> int | None:
        """The next course without a fault; `fits` names what it must have."""
        for place in self.free:
            one = self.courses[place]
            external = one.shape.activity == "RTTX"
            if {
                "": True,
                "one-policy": len(one.script.policies) == 1,
                "long": external and len(one.script.sessions) >= 10 and one.shape.a_day == 1,
                "by-v2": external and len(one.script.sessions) >= 10 and one.shape.a_day == 1 and one.tongue != "codex",
                "reviewed": external and one.shape.guidance != "none",
            }[fits]:
                self.free.remove(place)
                return place
        return None

    def _wrong_payer(self) -> None:
        place = self._take("one-policy")
        if place is None:
            return
        one = self.courses[place]
        (right,) = one.script.policies
        plan = ("NWHP", "Northwind Health Plan", "NWPPO", "Northwind PPO")
        if right.payer_id == "NWHP":
            plan = ("MCRB", "Medicare Part B", "MCRB", "Medicare Part B")
        wrong = replace(right, payer_id=plan[0], payer_name=plan[1], plan_id=plan[2], plan_name=plan[3], group="")
        self.courses[place] = replace(one, script=replace(one.script, policies=(wrong,)))
        self._note(
            "wrong-payer", one.mrn, None, key=right.member, detail=f"{right.plan_name} is right, {plan[3]} was said"
        )

    def _late(self) -> None:
        place = self._take("long")
        if place is None:
            return
        one = self.courses[place]
        n = self.dice.randrange(2, 5)
        session = one.script.sessions[n - 1]
        days = self.dice.randrange(17, 24)
        self._session(place, n, reported_at=session.reported_at + timedelta(days=days))
        self._note("late", one.mrn, session.start.date(), key=str(n), detail=f"fraction {n}, {days} days late")

    def _parked(self) -> None:
        place = self._take("by-v2")
        if place is None:
            return
        one = self.courses[place]
        n = self.dice.randrange(6, len(one.script.sessions))
        day = one.script.sessions[n - 1].start.date()
        self._note("parked", one.mrn, day, key=str(n), detail=f"fraction {n}")

    def _undocumented(self, number: int) -> None:
        place = self._take("reviewed" if number % 2 == 0 else "long")
        if place is None:
            return
        one = self.courses[place]
        if number % 2 == 0:
            n = self.dice.randrange(1, len(one.script.sessions) + 1)
            day = one.script.sessions[n - 1].start.date()
            self._session(place, n, reviewed_at=None)
            self._note("undocumented", one.mrn, day, key=str(n), detail=f"images of fraction {n} never reviewed")
            return
        self.courses[place] = replace(one, script=replace(one.script, visits=one.script.visits[1:]))
        detail = "no physician's visit in the first five sessions"
        self._note("undocumented", one.mrn, one.script.sessions[4].start.date(), key="OTV1", detail=detail)

    def _not_delivered(self, number: int) -> None:
        if number % 2 == 1 and self.infusions:
            self._not_given()
            return
        place = self._take()
        if place is None:
            return
        one = self.courses[place]
        day = one.script.sessions[-1].start.date() + timedelta(days=1)
        while day.weekday() >= 5:
            day += timedelta(days=1)
        self._note("not-delivered", one.mrn, day, key="EXTRA", detail="one more session was booked")

    def _not_given(self) -> None:
        """The last dose of a last visit was ordered and not given; the coder charges nothing for it."""
        place = self.dice.randrange(len(self.infusions))
        one = self.infusions[place]
        last = one.visits[-1]
        if last.missed or len(last.doses) < 1:
            return
        gone = replace(last, doses=(), missed=last.doses, coded=())
        self.infusions[place] = replace(one, visits=(*one.visits[:-1], gone))
        for dose in last.doses:
            self._note("not-delivered", one.mrn, last.day, key=dose.order, detail=f"{dose.name} was ordered")

    def _coding(self, count: dict[FaultKind, int]) -> None:
        """Coding faults on sessions of the courses that are left, each on a day of its own."""
        slots = [(place, n) for place in self.free for n in range(1, len(self.courses[place].script.sessions) + 1)]
        slots = [(p, n) for p, n in slots if self.courses[p].shape.a_day == 1]
        self.dice.shuffle(slots)
        for kind in ("missed", "doubled", "wrong-level"):
            for _ in range(count[kind]):
                found = next(((p, n) for p, n in slots if kind != "wrong-level" or self._leveled(p)), None)
                if found is None:
                    break
                slots.remove(found)
                one = self.courses[found[0]]
                day = one.script.sessions[found[1] - 1].start.date()
                self._note(kind, one.mrn, day, key=str(found[1]), detail=f"fraction {found[1]}")
        for patient in self.infusions[::3]:
            if patient.visits[0].coded and not any(fault.mrn == patient.mrn for fault in self.faults):
                line = patient.visits[0].coded[-1]
                self._note("missed", patient.mrn, line.day, key=line.transaction, detail=f"{line.code} of the visit")

    def _leveled(self, place: int) -> bool:
        return self.courses[place].shape.activity == "RTTX"

    def _session(self, place: int, n: int, **changes: object) -> None:
        one = self.courses[place]
        sessions = list(one.script.sessions)
        sessions[n - 1] = replace(sessions[n - 1], **changes)  # type: ignore[arg-type]
        self.courses[place] = replace(one, script=replace(one.script, sessions=tuple(sessions)))
