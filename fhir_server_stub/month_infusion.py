"""The infusion visits of a clinic's month: regimens in cycles, drugs with waste, and what their coder makes of them.

Each regimen says its doses and, beside them, the lines that a coder who knows the rules charges for the visit: the
truth that a billing program's own reckoning is held against.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from random import Random
from typing import Literal

from fhir_server_stub import month_fhir, month_v2
from fhir_server_stub.course import Delivered, Outgoing, Person, Policy
from fhir_server_stub.month_course import FIRST, before, drawn_person, drawn_policy, on
from fhir_server_stub.month_v2 import CodedLine, Dose, Speaker

DOSES = "doses"
"""The door for doses that come by FHIR."""
_SUPPORT, _CHEMO = "supportive", "antineoplastic"


@dataclass(frozen=True, slots=True)
class Drug:
    """One drug of a regimen: `mg` given over `minutes` (0: pushed) out of single-dose `vials` of (count, mg)."""

    name: str
    code: str
    mg: int
    minutes: int
    category: str
    vials: tuple[tuple[int, int], ...]
    mg_a_unit: int = 1

    @property
    def waste(self) -> int:
        """What of the vials was thrown away, in mg."""
        return sum(count * strength for count, strength in self.vials) - self.mg


@dataclass(frozen=True, slots=True)
class Regimen:
    """Drugs in the order in which they are given, the days of a cycle, and the administrations as they are coded."""

    name: str
    drugs: tuple[Drug, ...]
    every_days: int
    visits: int
    administrations: tuple[tuple[str, int], ...]
    diagnosis: str


REGIMENS = (
    Regimen(
        "antibody every three weeks",
        (Drug("pembrolizumab", "J9271", 200, 35, _CHEMO, ((2, 100),)),),
        21,
        2,
        (("96413", 1),),
        "C34.11",
    ),
    Regimen(
        "weekly taxane",
        (
            Drug("dexamethasone", "J1100", 10, 0, _SUPPORT, ((1, 10),)),
            Drug("ondansetron", "J2405", 8, 0, _SUPPORT, ((2, 4),)),
            Drug("paclitaxel", "J9267", 150, 60, _CHEMO, ((2, 100),)),
        ),
        7,
        4,
        (("96413", 1), ("96375", 2)),
        "C50.412",
    ),
    Regimen(
        "taxane and platinum",
        (
            Drug("dexamethasone", "J1100", 20, 0, _SUPPORT, ((2, 10),)),
            Drug("paclitaxel", "J9267", 300, 180, _CHEMO, ((1, 300),)),
            Drug("carboplatin", "J9045", 450, 60, _CHEMO, ((1, 450),), mg_a_unit=50),
        ),
        21,
        2,
        (("96413", 1), ("96415", 2), ("96417", 1), ("96375", 1)),
        "C34.11",
    ),
)


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit for drugs: its doses, and what the coder charges. `missed` are orders that were never given."""

    number: int
    name: str
    doses: tuple[Dose, ...]
    coded: tuple[CodedLine, ...]
    missed: tuple[Dose, ...] = ()

    @property
    def day(self) -> date:
        """The day of the visit."""
        return (self.doses or self.missed)[0].start.date()


@dataclass(frozen=True, slots=True)
class Infused:
    """One patient of the infusion suite with all visits of the month."""

    tag: str
    person: Person
    policy: Policy
    regimen: Regimen
    visits: tuple[Visit, ...]
    tongue: Literal["ras", "doses"] = "ras"
    """How the doses are told: RDS and RAS of HL7 v2, or MedicationAdministration; orders come by RDE either way."""

    @property
    def mrn(self) -> str:
        """The patient's number."""
        return self.person.mrn


def drawn_infusions(dice: Random, count: int, tag: str) -> tuple[Infused, ...]:
    """So many patients, the regimens in turn."""
    return tuple(_patient(dice, number, f"{tag}D{number:02d}") for number in range(count))


def told(one: Infused) -> list[Outgoing]:
    """Registration, orders, vials and doses of a patient as they leave, without the coded charges."""
    first = one.visits[0].day
    start = on(before(first, 4), 9, 0)
    registered = month_v2.registered(
        _speaker(one, start, f"I{one.tag}-REG", f"V{one.tag}-REG"), (one.policy,), one.regimen.diagnosis
    )
    found = [Outgoing(start, "mllp", registered, (), "registration")]
    for visit in one.visits:
        orders = start + timedelta(hours=1) if visit.number == 1 else on(before(visit.day, 4), 10, 0)
        for n, dose in enumerate((*visit.doses, *visit.missed), start=1):
            who = _speaker(one, orders + timedelta(minutes=n), f"I{one.tag}-{visit.number}O{n}", visit.name)
            found.append(Outgoing(who.at, "mllp", month_v2.ordered(who, dose, visit.number, 1), (dose.order,), "order"))
        if one.tongue == "doses":
            found += [_by_fhir(one, visit, dose) for dose in visit.doses]
            continue
        for n, dose in enumerate(visit.doses, start=1):
            who = _speaker(one, dose.start - timedelta(minutes=3), f"I{one.tag}-{visit.number}V{n}", visit.name)
            found.append(Outgoing(who.at, "mllp", month_v2.dispensed(who, dose), (dose.order,), "vials"))
            who = replace(who, at=dose.end + timedelta(minutes=5), control=f"I{one.tag}-{visit.number}G{n}")
            found.append(Outgoing(who.at, "mllp", month_v2.given(who, dose), (dose.order,), "dose"))
    return found


def _by_fhir(one: Infused, visit: Visit, dose: Dose) -> Outgoing:
    at = dose.end + timedelta(minutes=5)
    body = month_fhir.given(at, one.person, dose, visit.name, one.regimen.diagnosis)
    return Outgoing(at, "fhir", body, (dose.order,), "dose", DOSES)


def truth(one: Infused) -> list[Delivered]:
    """What was given."""
    return [
        Delivered("dose", visit.day, dose.order, (("code", dose.code),)) for visit in one.visits for dose in visit.doses
    ]


def _speaker(one: Infused, at: datetime, control: str, visit: str) -> Speaker:
    return Speaker(month_v2.INFUSIONS, at, control, one.person, "CENTER", visit, "CHAIR1")


def _patient(dice: Random, number: int, tag: str) -> Infused:
    person = drawn_person(dice, 900 + number)
    policy = drawn_policy(dice, dice.choice(("medicare", "northwind")), number)
    regimen = REGIMENS[number % len(REGIMENS)]
    first = FIRST + timedelta(days=dice.choice((0, 1, 2, 3, 4)))
    days = [first + timedelta(days=regimen.every_days * n) for n in range(regimen.visits)]
    hour = 9 + number % 4
    return Infused(
        tag,
        person,
        policy,
        regimen,
        tuple(_visit(tag, n, day, hour, regimen) for n, day in enumerate(days, start=1)),
        "doses" if number % 2 else "ras",
    )


def _visit(tag: str, number: int, day: date, hour: int, regimen: Regimen) -> Visit:
    """Pushes take a minute and bags their time, ten minutes between one and the next."""
    at, doses = on(day, hour, 0), []
    for n, drug in enumerate(regimen.drugs, start=1):
        end = at + timedelta(minutes=drug.minutes)
        dose = Dose(f"O{tag}-{number}-{n}", drug.name, drug.code, str(drug.mg), at, end, drug.category,
                    not drug.minutes, str(drug.waste), drug.vials)  # fmt: skip
        doses.append(dose)
        at = end + timedelta(minutes=10)
    return Visit(number, f"V{tag}-{number}", tuple(doses), tuple(_coded(tag, number, day, regimen)))


def _coded(tag: str, number: int, day: date, regimen: Regimen) -> list[CodedLine]:
    """Administrations, then each drug: JZ where nothing was wasted, else the waste on a line of its own with JW."""
    lines = [(code, units, ()) for code, units in regimen.administrations]
    drugs: list[tuple[str, int, tuple[str, ...]]] = []
    for drug in regimen.drugs:
        drugs.append((drug.code, drug.mg // drug.mg_a_unit, () if drug.waste else ("JZ",)))
        if drug.waste:
            drugs.append((drug.code, drug.waste // drug.mg_a_unit, ("JW",)))
    return [
        CodedLine(f"C{tag}-{number}-{n}", code, day, units, modifiers, regimen.diagnosis)
        for n, (code, units, modifiers) in enumerate([*lines, *drugs], start=1)
    ]
