"""What happens in a course: the fixed demo course, and courses drawn from a seed.

A drawn course never contradicts itself: corrections, withdrawals, late reports and double channels fall on
different fractions, so that there is always exactly one truth a reader can arrive at.
"""

from datetime import date, datetime, time, timedelta
from random import Random
from typing import Literal
from zoneinfo import ZoneInfo

from fhir_server_stub.course import (
    CLINIC_ZONE,
    Channel,
    Correction,
    PayerKind,
    Person,
    Policy,
    Script,
    Session,
    Technique,
    Visit,
)

Guidance = Literal["none", "cbct", "ultrasound", "stereo-xray"]

_ZONE = ZoneInfo(CLINIC_ZONE)
_FIRST, _LAST = date(2025, 11, 24), date(2026, 2, 9)
_CLOSED = {date(2025, 11, 27), date(2025, 12, 25), date(2026, 1, 1)}
_MOTION_FROM = date(2026, 1, 1)
_FAMILIES = (
    "Vantongeren",
    "Maribel-Ruiz",
    "Quillfeather",
    "Oduya",
    "Brandvold",
    "Szalai",
    "O'Tierney",
    "Ike",
)
_WOMEN, _MEN = ("Ysolde", "Marit", "Chiamaka", "Pernille"), ("Anselm", "Tobiah", "Emeka", "Rurik")
_SITES: dict[Literal["F", "M"], tuple[str, ...]] = {"F": ("C50.412", "C34.11"), "M": ("C61", "C34.11")}


def demo_script() -> Script:
    """The fixed course: six guided IMRT fractions over the change of the code year 2025/2026."""
    treated = (
        _session(1, "2025-12-29 09:00", ("mllp",), "2025-12-29 09:15", inside=True),
        _session(2, "2025-12-30 09:05", ("mllp",), "2025-12-30 16:20", again="2025-12-30 09:52"),
        _session(3, "2025-12-31 09:00", ("mllp", "fhir"), "2025-12-31 15:40"),
        _session(4, "2026-01-02 09:10", ("fhir",), "2026-01-02 15:20"),
        # Its image is approved only after the next fraction was given.
        _session(
            5,
            "2026-01-05 09:00",
            ("mllp",),
            "2026-01-06 16:10",
            isocenters=2,
            correction=Correction(_at("2026-01-06 07:30"), wrong_isocenters=1, wrong_technique="imrt"),
        ),
        _session(6, "2026-01-06 09:00", ("fhir",), "2026-01-06 14:30"),
    )
    return Script(
        tag="DEMO",
        setting="hospital",
        payer_kind="medicare",
        person=Person("MR100417", "Halvorsen", "Bertil", date(1954, 3, 9), "M"),
        policies=(_policy("medicare", "1ZZ9-TE0-XX41"),),
        diagnosis="C61",
        course="C1",
        phase="Primary",
        plan="Prostate1",
        technique="imrt",
        planned_fractions=6,
        isocenters=1,
        registered_at=_at("2025-12-17 08:30"),
        simulation=_at("2025-12-17 10:00"),
        planning=None,
        plan_approved=_at("2025-12-22 14:00"),
        calculations=5,
        device="mlc",
        devices=1,
        sessions=treated,
        visits=(Visit(_at("2025-12-31 09:30"), "mllp"), Visit(_at("2026-01-05 09:30"), "mllp")),
        physics=(_at("2026-01-05 12:00"),),
        ended_at=_at("2026-01-06 18:30"),
    )


def drawn_script(seed: int) -> Script:
    """The course that this seed draws."""
    dice = Random(seed)
    sex: Literal["F", "M"] = dice.choice(("F", "M"))
    setting: Literal["hospital", "freestanding"] = dice.choice(("hospital", "freestanding"))
    payer_kind: PayerKind = dice.choice(("medicare", "commercial"))
    technique: Technique = dice.choice(("imrt", "imrt", "3d"))
    person = Person(
        mrn=f"MR{dice.randrange(200_000, 999_999)}",
        family=dice.choice(_FAMILIES),
        given=dice.choice(_WOMEN if sex == "F" else _MEN),
        born=date(dice.randrange(1938, 1985), dice.randrange(1, 13), dice.randrange(1, 29)),
        sex=sex,
    )
    diagnosis = dice.choice(_SITES[sex])
    guidance: Guidance = dice.choice(("cbct", "cbct", "cbct", "stereo-xray", "ultrasound", "none"))
    fractions = dice.randint(1, 12)
    days = _weekdays(dice, fractions)
    isocenters = dice.choice((1, 1, 1, 2))
    sessions = _sessions(dice, days, technique, guidance, isocenters)
    simulation = _on(_workday_before(days[0], dice.randint(6, 10)), 10, 0)
    approved = _on(_workday_before(days[0], dice.randint(1, 4)), 14, 0)
    last = sessions[-1].end.date()
    return Script(
        tag=f"{seed % 1_000_000:06d}",
        setting=setting,
        payer_kind=payer_kind,
        person=person,
        policies=(_policy(payer_kind, f"{dice.randrange(1, 9)}ZZ{dice.randrange(1_000_000, 9_999_999)}"),),
        diagnosis=diagnosis,
        course="C1",
        phase="Primary",
        plan="Plan1",
        technique=technique,
        planned_fractions=fractions,
        isocenters=isocenters,
        registered_at=simulation - timedelta(hours=1, minutes=30),
        simulation=simulation,
        planning=simulation + timedelta(hours=3) if dice.random() < 0.7 else None,
        plan_approved=approved,
        calculations=dice.randint(2, 8),
        device="mlc" if technique == "imrt" else "block",
        devices=1 if technique == "imrt" else dice.randint(1, 4),
        sessions=sessions,
        visits=_visits(dice, sessions),
        physics=_physics(sessions),
        ended_at=_on(last, 18, 30),
        end_channels=dice.choice((("mllp",), ("mllp",), ("fhir",), ("mllp", "fhir"))),
    )


def _weekdays(dice: Random, count: int) -> list[date]:
    """Treatment days: consecutive working days, all within the period."""
    open_days = [
        day
        for n in range((_LAST - _FIRST).days + 1)
        if (day := _FIRST + timedelta(days=n)).weekday() < 5 and day not in _CLOSED
    ]
    first = dice.randrange(len(open_days) - count + 1)
    return open_days[first : first + count]


def _workday_before(day: date, back: int) -> date:
    day -= timedelta(days=back)
    while day.weekday() >= 5 or day in _CLOSED:
        day -= timedelta(days=1)
    return day


def _sessions(
    dice: Random, days: list[date], technique: Technique, guidance: Guidance, isocenters: int
) -> tuple[Session, ...]:
    """The fractions with their channels and mishaps; each mishap takes a fraction of its own."""
    starts = [_on(day, dice.randint(8, 9), dice.randrange(0, 60, 5)) for day in days]
    if len(starts) > 2 and dice.random() < 0.15:
        # Twice on one day, at least six hours apart; the course then ends a day earlier.
        twice = dice.randrange(len(starts) - 1)
        starts[twice + 1 :] = [starts[twice] + timedelta(hours=6, minutes=20), *starts[twice + 1 : -1]]
    numbers = list(range(1, len(starts) + 1))
    dice.shuffle(numbers)
    mishaps = {
        kind: numbers.pop()
        for kind, chance in (("late", 0.4), ("correct", 0.5), ("void", 0.35), ("both", 0.6))
        # A course has at least one fraction that was really given.
        if len(numbers) > 1 and dice.random() < chance
    }
    moving = dice.random() < 0.4
    documented = dice.random() < 0.6
    drawn = []
    for number, start in enumerate(starts, start=1):
        channel: Channel = dice.choice(("mllp", "mllp", "fhir"))
        end = start + timedelta(minutes=dice.randint(9, 16))
        reported = end + timedelta(minutes=dice.randint(5, 40))
        if mishaps.get("late") == number:
            reported += timedelta(days=dice.randint(2, 5))
        correction = None
        if mishaps.get("correct") == number:
            correction = _correction(dice, reported, technique, isocenters)
        void_at = reported + timedelta(hours=2) if mishaps.get("void") == number else None
        reviewed = None
        if guidance != "none" and not void_at and dice.random() < 0.85:
            # Before the next treatment, also where that is the same afternoon; now and then a day too late.
            reviewed = end + timedelta(minutes=dice.randint(60, 320), days=0 if dice.random() < 0.85 else 5)
        motion = moving and start.date() >= _MOTION_FROM
        drawn.append(
            Session(
                number=number,
                start=start,
                end=end,
                channels=("mllp", "fhir") if mishaps.get("both") == number else (channel,),
                technique=technique,
                isocenters=isocenters,
                guidance=guidance,
                reported_at=reported,
                motion=motion,
                motion_documented=motion and documented,
                reviewed_at=reviewed,
                again=reported + timedelta(minutes=11) if dice.random() < 0.2 else None,
                correction=correction,
                void_at=void_at,
            )
        )
    return tuple(drawn)


def _correction(dice: Random, reported: datetime, technique: Technique, isocenters: int) -> Correction:
    """The first report had either the number of isocenters or the technique wrong."""
    at = reported + timedelta(hours=dice.randint(3, 20))
    if dice.random() < 0.5:
        return Correction(at, wrong_isocenters=1 if isocenters == 2 else 2, wrong_technique=technique)
    return Correction(at, wrong_isocenters=isocenters, wrong_technique="3d" if technique == "imrt" else "imrt")


def _visits(dice: Random, sessions: tuple[Session, ...]) -> tuple[Visit, ...]:
    """One physician visit in each block of five fractions, now and then none."""
    visits = []
    for first in range(0, len(sessions), 5):
        block = sessions[first : first + 5]
        seen = dice.choice(block)
        channel: Channel = dice.choice(("mllp", "mllp", "fhir"))
        if dice.random() < 0.85:
            visits.append(Visit(seen.end + timedelta(minutes=18), channel))
    return tuple(visits)


def _physics(sessions: tuple[Session, ...]) -> tuple[datetime, ...]:
    """A check for every five fractions and for what is left over."""
    ends = [sessions[min(first + 4, len(sessions) - 1)].end for first in range(0, len(sessions), 5)]
    return tuple(end.replace(hour=16, minute=30) for end in ends)


def _session(
    number: int,
    start: str,
    channels: tuple[Channel, ...],
    reviewed: str,
    *,
    inside: bool = False,
    again: str | None = None,
    isocenters: int = 1,
    correction: Correction | None = None,
) -> Session:
    """A fraction of the demo course: 12 minutes, reported 30 minutes after its end."""
    begins = _at(start)
    return Session(
        number=number,
        start=begins,
        end=begins + timedelta(minutes=12),
        channels=channels,
        technique="imrt",
        isocenters=isocenters,
        guidance="cbct",
        reported_at=begins + timedelta(minutes=42),
        reviewed_at=_at(reviewed),
        review_inside=inside,
        again=_at(again) if again else None,
        correction=correction,
    )


def _policy(kind: PayerKind, member: str) -> Policy:
    if kind == "medicare":
        return Policy("MCRB", "Medicare Part B", "MCRB", "Medicare Part B", member, "", date(2019, 4, 1))
    return Policy("NWHP", "Northwind Health Plan", "NWPPO", "Northwind PPO", member, "G77120", date(2025, 1, 1))


def _at(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=_ZONE)


def _on(day: date, hour: int, minute: int) -> datetime:
    return datetime.combine(day, time(hour, minute), _ZONE)
