"""The courses of a clinic's month: who is treated, in which shape, on which machine, under which insurance.

Everything drawn here is as it should be; what goes wrong is put in afterwards (`month_faults`).  A course lies wholly
within the month and the two weeks after it, on working days.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Literal
from zoneinfo import ZoneInfo

from fhir_server_stub.course import (
    CLINIC_ZONE,
    Channel,
    PayerKind,
    Person,
    Policy,
    Replan,
    Script,
    Session,
    Setting,
    Technique,
    Visit,
)

ZONE = ZoneInfo(CLINIC_ZONE)
FIRST = date(2026, 3, 2)
"""The first day of the month's treatments, a Monday; simulations and plans lie in the two weeks before."""
Tongue = Literal["zseg", "codex", "oru"]
"""How the sessions are told: DFT with ZRT, FHIR of CodeX, or ORU^R01 (`mappings/feeds` of the receiver)."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of course as clinics give them. `gap` are working days of pause after the first `before_gap` fractions."""

    name: str
    technique: Technique
    fractions: int
    site: tuple[str, Literal["F", "M", "FM"]]
    guidance: Literal["none", "cbct"] = "cbct"
    isocenters: int = 1
    motion: bool = False
    a_day: int = 1
    every: int = 1
    gap: int = 0
    before_gap: int = 0
    boost: int = 0
    activity: str = "RTTX"
    tongues: tuple[Tongue, ...] = ("zseg", "codex")


SHAPES = (
    Shape("3D, fifteen fractions", "3d", 15, ("C50.412", "F")),
    Shape("3D in held breath, ten fractions", "3d", 10, ("C50.412", "F"), motion=True, tongues=("zseg",)),
    Shape("IMRT, twenty fractions", "imrt", 20, ("C61", "M")),
    Shape("IMRT of two isocenters", "imrt", 10, ("C34.11", "FM"), isocenters=2),
    Shape("stereotactic, five sessions", "imrt", 5, ("C34.11", "FM"), every=2, activity="RTSBRT", tongues=("zseg",)),
    Shape("palliative, five fractions", "3d", 5, ("C79.51", "FM"), guidance="none", tongues=("oru", "zseg")),
    Shape("palliative, one fraction", "3d", 1, ("C79.51", "FM"), guidance="none", tongues=("oru", "zseg")),
    Shape("boost after ten fractions", "3d", 15, ("C50.412", "F"), boost=5, tongues=("zseg",)),
    Shape(
        "twice daily, ten fractions", "imrt", 10, ("C34.11", "FM"), guidance="none", a_day=2, tongues=("oru", "zseg")
    ),
    Shape("IMRT with a pause", "imrt", 10, ("C34.11", "FM"), gap=3, before_gap=5),
)
MACHINES: dict[Setting, tuple[str, ...]] = {"hospital": ("TX1", "TX2"), "freestanding": ("TX3",)}
_FAMILIES = ("Ashgrove", "Bellweather", "Corrigan", "Dunmore-Vale", "Eskeland", "Fairlight", "Grubstad", "Hollis")
_WOMEN, _MEN = ("Ida", "Maren", "Oluchi", "Petra", "Runa"), ("Aksel", "Bram", "Chidi", "Dorian", "Elof")


@dataclass(frozen=True, slots=True)
class Treated:
    """One course of the month. `changes` is the day on which the second policy begins, where the insurance changes."""

    script: Script
    shape: Shape
    tongue: Tongue
    machine: str
    changes: date | None = None

    @property
    def mrn(self) -> str:
        """The patient's number."""
        return self.script.person.mrn


def drawn_courses(dice: Random, count: int, tag: str) -> tuple[Treated, ...]:
    """So many courses: every shape in turn, the rest by the dice; every sixth changes its insurance in mid-course."""
    return tuple(_course(dice, number, f"{tag}{number:03d}") for number in range(count))


def drawn_person(dice: Random, number: int, sexes: str = "FM") -> Person:
    """An invented patient; `number` makes the record number one of its own."""
    sex: Literal["F", "M"] = "F" if dice.choice(sexes) == "F" else "M"
    born = date(dice.randrange(1938, 1975), dice.randrange(1, 13), dice.randrange(1, 29))
    return Person(
        f"MM{700_000 + number}", dice.choice(_FAMILIES), dice.choice(_WOMEN if sex == "F" else _MEN), born, sex
    )


def drawn_policy(
    dice: Random, kind: str, number: int, start: date = date(2025, 1, 1), end: date | None = None
) -> Policy:
    """A policy of Medicare, of Northwind (no authorizations) or of Cascade (which authorizes radiotherapy)."""
    tail = dice.randrange(1_000_000, 9_999_999)
    if kind == "medicare":
        return Policy(
            "MCRB", "Medicare Part B", "MCRB", "Medicare Part B", f"{number % 9 + 1}QQ{tail}", "", start, 1, end
        )
    if kind == "cascade":
        return Policy("CSMH", "Cascade Mutual Health", "CSSEL", "Cascade Select", f"CS{tail}", "G4471", start, 1, end)
    return Policy("NWHP", "Northwind Health Plan", "NWPPO", "Northwind PPO", f"NW{tail}", "G77120", start, 1, end)


def workdays(first: date, count: int, every: int = 1) -> list[date]:
    """So many working days from the first on, every so many of them."""
    days: list[date] = []
    day = first
    while len(days) < count * every:
        if day.weekday() < 5:
            days.append(day)
        day += timedelta(days=1)
    return days[::every]


def before(day: date, back: int) -> date:
    """The working day so many calendar days before, or the nearest one before that."""
    day -= timedelta(days=back)
    while day.weekday() >= 5:
        day -= timedelta(days=1)
    return day


def on(day: date, hour: int, minute: int) -> datetime:
    """An instant of the clinic's day."""
    return datetime.combine(day, time(hour, minute), ZONE)


def _course(dice: Random, number: int, tag: str) -> Treated:
    shape = SHAPES[number] if number < len(SHAPES) else dice.choice(SHAPES)
    tongue = dice.choice(shape.tongues)
    setting: Setting = "freestanding" if tongue == "oru" else dice.choice(("hospital", "hospital", "freestanding"))
    person = drawn_person(dice, number, shape.site[1])
    payer = dice.choice(("medicare", "medicare", "northwind", "cascade"))
    machine = dice.choice(MACHINES[setting])
    days = _days(shape, FIRST + timedelta(days=dice.choice((0, 1, 2, 3, 7, 8))))
    sessions = _sessions(dice, shape, days, "fhir" if tongue == "codex" else "mllp", number)
    policies, changes = _insured(dice, number, payer, days)
    kind: PayerKind = "medicare" if payer == "medicare" else "commercial"
    simulated, approved = before(days[0], 9 + dice.randrange(3)), before(days[0], 3)
    replans: tuple[Replan, ...] = ()
    if shape.boost:
        # Approved in mid-week: a check of physics on the same day would be part of the plan.
        earlier = sessions[shape.fractions - shape.boost - 3].start.date()
        replans = (Replan(on(earlier, 15, 0), "Boost", "Boost1", "3d", shape.boost),)
    script = Script(
        tag=tag,
        setting=setting,
        payer_kind=kind,
        person=person,
        policies=policies,
        diagnosis=shape.site[0],
        course="C1",
        phase="Primary",
        plan="Plan1",
        technique=shape.technique,
        planned_fractions=shape.fractions,
        isocenters=shape.isocenters,
        registered_at=on(simulated, 8, 15),
        simulation=on(simulated, 10, 0),
        planning=None,
        plan_approved=on(approved, 14, 0),
        calculations=3,
        device="mlc" if shape.technique == "imrt" else "block",
        devices=1 if shape.technique == "imrt" else 2,
        sessions=sessions,
        visits=tuple(_visits(sessions)),
        physics=tuple(_physics(sessions)),
        ended_at=on(sessions[-1].end.date(), 18, 30),
        machine=machine,
        replans=replans,
    )
    return Treated(script, shape, tongue, machine, changes)


def _days(shape: Shape, earliest: date) -> list[date]:
    """The day of each fraction."""
    wanted = -(-shape.fractions // shape.a_day)
    days = workdays(earliest, wanted + shape.gap, shape.every)
    if shape.gap:
        days = days[: shape.before_gap] + days[shape.before_gap + shape.gap :]
    return [day for day in days for _ in range(shape.a_day)][: shape.fractions]


def _sessions(dice: Random, shape: Shape, days: list[date], channel: Channel, number: int) -> tuple[Session, ...]:
    """The fractions, each reported half an hour after its end and its images reviewed on the same day."""
    hour, minute = 8 + number % 7, 5 * dice.randrange(12)
    made: list[Session] = []
    for n, day in enumerate(days, start=1):
        again = n > 1 and days[n - 2] == day
        start = (
            on(day, 8, minute) + timedelta(hours=6, minutes=20)
            if again
            else on(day, 8 if shape.a_day > 1 else hour, minute)
        )
        end = start + timedelta(minutes=12)
        boosted = shape.boost and n > shape.fractions - shape.boost
        made.append(
            Session(
                number=n,
                start=start,
                end=end,
                channels=(channel,),
                technique=shape.technique,
                isocenters=shape.isocenters,
                guidance=shape.guidance,
                reported_at=end + timedelta(minutes=30),
                motion=shape.motion,
                motion_documented=shape.motion,
                reviewed_at=end + timedelta(minutes=75) if shape.guidance != "none" else None,
                activity=shape.activity,
                phase="Boost" if boosted else "",
                plan="Boost1" if boosted else "",
            )
        )
    return tuple(made)


def _visits(sessions: tuple[Session, ...]) -> list[Visit]:
    """A physician's visit on the second session of every five, or on the only one."""
    blocks = [sessions[first : first + 5] for first in range(0, len(sessions), 5)]
    return [Visit(block[min(1, len(block) - 1)].end + timedelta(minutes=18), "mllp") for block in blocks]


def _physics(sessions: tuple[Session, ...]) -> list[datetime]:
    """The check of every five sessions, on the afternoon of the fifth."""
    return [one.end.replace(hour=16, minute=30) for one in sessions[4::5]]


def _insured(dice: Random, number: int, payer: str, days: list[date]) -> tuple[tuple[Policy, ...], date | None]:
    """The policies, and the day of the change where the insurance changes in mid-course."""
    if number % 6 != 2 or days[-1] - days[0] < timedelta(days=10):
        return (drawn_policy(dice, payer, number),), None
    change = days[len(days) // 2]
    old = "northwind" if payer != "northwind" else "medicare"
    last = change - timedelta(days=1)
    return (
        drawn_policy(dice, old, number, end=last),
        drawn_policy(dice, "northwind" if old == "medicare" else "medicare", number, start=change),
    ), change
