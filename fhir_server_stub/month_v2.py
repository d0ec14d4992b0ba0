"""What a clinic's other systems say in HL7 v2.5.1: bookings, insurance, authorizations, results, doses, charges.

The radiotherapy record itself speaks by `v2`; the systems beside it bear names of their own in MSH-3 (`TXREC`,
`INFREC`, `CHGS`).  Times are the clinic's local time without offset.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from fhir_server_stub import v2
from fhir_server_stub.course import PHYSICIAN, Person, Policy, Session

RECORD, TREATMENTS, INFUSIONS, CHARGES = "MOSAIQ", "TXREC", "INFREC", "CHGS"
"""MSH-3 of the radiotherapy record, the treatment record, the infusion record and the charge system."""
_HOMES = {RECORD: "RADONC", TREATMENTS: "RADONC", INFUSIONS: "INFUSION", CHARGES: "BILLING"}


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who a message is from, when it leaves and whom it is about."""

    application: str
    at: datetime
    control: str
    person: Person
    facility: str
    visit: str
    room: str


@dataclass(frozen=True, slots=True)
class CodedLine:
    """One FT1 with a procedure code."""

    transaction: str
    code: str
    day: date
    units: int = 1
    modifiers: tuple[str, ...] = ()
    diagnosis: str = ""


@dataclass(frozen=True, slots=True)
class Dose:
    """One dose of an order: `minutes` 0 is a push; `vials` are (count, strength) of single-dose vials in mg."""

    order: str
    name: str
    code: str
    mg: str
    start: datetime
    end: datetime
    category: str
    push: bool
    waste: str
    vials: tuple[tuple[int, int], ...]


def charges(who: Speaker, lines: Sequence[CodedLine]) -> bytes:
    """DFT^P03 with one FT1 for each coded line."""
    segments = []
    for number, line in enumerate(lines, start=1):
        fields = {
            1: str(number),
            2: line.transaction,
            4: _day(line.day),
            5: _time(who.at),
            6: "CG",
            7: f"L{line.code}^^L",
        }
        fields |= {10: str(line.units), 16: _place(who), 19: f"{line.diagnosis}^^I10C" if line.diagnosis else ""}
        fields |= {20: _physician(), 25: f"{line.code}^^C4", 26: "~".join(line.modifiers)}
        segments.append(_segment("FT1", fields))
    return _message(who, "DFT^P03^DFT_P03", [_pv1(who), *segments])


def booking(who: Speaker, number: str, start: datetime, minutes: int, activity: str, *, trigger: str = "S12") -> bytes:
    """SIU of one appointment for one service on a machine."""
    began, source = f"{start:%Y%m%d%H%M%S}", who.application
    named = f"{number}^{source}|F{number}^{source}"
    return _message(
        who,
        f"SIU^{trigger}^SIU_S12",
        [
            f"SCH|{named}||||||{activity}^^L|{minutes}|min|^^{minutes}^{began}",
            _pv1(who),
            "RGS|1",
            f"AIS|1|A|{activity}^^L|{began}|||{minutes}|min",
            f"AIL|1||{_place(who)}",
        ],
    )


def insured_anew(who: Speaker, policies: tuple[Policy, ...]) -> bytes:
    """ADT^A08: all that is known of the insurance, the policy that ended among it."""
    told = v2.registration(
        at=who.at,
        control_id=who.control,
        person=who.person,
        policies=policies,
        facility=who.facility,
        visit=who.visit,
    )
    return told.replace(b"ADT^A04^ADT_A01", b"ADT^A08^ADT_A01").replace(b"\rEVN|A04|", b"\rEVN|A08|")


def registered(who: Speaker, policies: tuple[Policy, ...], diagnosis: str) -> bytes:
    """ADT^A04 of another system than the radiotherapy record, with the reason of treatment."""
    told = (
        insured_anew(who, policies)
        .replace(b"ADT^A08^ADT_A01", b"ADT^A04^ADT_A01")
        .replace(b"\rEVN|A08|", b"\rEVN|A04|")
    )
    own = f"|{who.application}|{_HOMES[who.application]}|".encode()
    told = told.replace(f"|{RECORD}|{_HOMES[RECORD]}|".encode(), own, 1)
    return told.replace(b"\rIN1|1|", f"\rDG1|1||{diagnosis}^^I10C\rIN1|1|".encode(), 1)


def authorized(
    who: Speaker, policy: Policy, number: str, codes: Iterable[str], days: tuple[date, date], units: int
) -> bytes:
    """REF^I12: what the payer authorized, code by code, in so many treatments."""
    segments: list[str] = []
    for n, code in enumerate(codes, start=1):
        fields = {
            2: policy.payer_id,
            3: policy.payer_name,
            4: _day(days[0]),
            5: _day(days[1]),
            6: number,
            8: str(units),
        }
        segments += [f"PR1|{n}||{code}^^C4", _segment("AUT", fields | {9: str(units)})]
    return _message(who, "REF^I12^REF_I12", [_pv1(who), *segments])


def result(who: Speaker, session: Session, course: str, uid: str, diagnosis: str) -> bytes:
    """ORU^R01 of one session: every value an OBX with a name."""
    obr = {1: "1", 2: course, 3: f"{who.visit}", 4: "RTFX^Session^L", 7: _time(session.start), 8: _time(session.end)}
    obr |= {25: "F", 31: f"{diagnosis}^^I10C", 32: _physician()}
    values = (
        ("COURSE", course),
        ("FX_NUMBER", str(session.number)),
        ("SESSION", uid),
        ("TECH", session.technique),
        ("ISOCENTERS", str(session.isocenters)),
        ("IGRT", session.guidance),
    )
    told = [f"OBX|{n}|ST|{name}||{value}||||||F" for n, (name, value) in enumerate(values, start=1)]
    return _message(who, "ORU^R01^ORU_R01", [_pv1(who), _segment("OBR", obr), *told])


def ordered(who: Speaker, dose: Dose, cycle: int, day: int) -> bytes:
    """RDE^O11: one dose for one time, with its place in the regimen."""
    drug = f"{dose.name}^{dose.name}^L^{dose.code}^^HCPCS"
    segments = [
        f"ORC|NW|{dose.order}",
        f"RXE||{drug}|{dose.mg}||mg",
        f"TQ1|1||||||{dose.start:%Y%m%d%H%M}",
        "RXR|IV",
        f"OBX|1|ST|CYCLE||{cycle}",
        f"OBX|2|ST|DAY||{day}",
    ]
    return _message(who, "RDE^O11^RDE_O11", [_pv1(who), *segments])


def dispensed(who: Speaker, dose: Dose) -> bytes:
    """RDS^O13: the vials that the pharmacy opened for a dose."""
    found: list[str] = []
    for n, (count, strength) in enumerate(dose.vials, start=1):
        rxd = {1: str(n), 2: f"{dose.name}^{dose.name}^L", 3: f"{who.at:%Y%m%d%H%M}", 4: str(count), 5: "VIAL"}
        rxd |= {7: f"{dose.order}-{n}", 16: str(strength), 17: "mg"}
        found += [_segment("RXD", rxd), "OBX|1|ST|CONTAINER||sdv"]
    return _message(who, "RDS^O13^RDS_O13", [_pv1(who), f"ORC|RE|{dose.order}", *found])


def given(who: Speaker, dose: Dose) -> bytes:
    """RAS^O17: the dose as it was given, with its waste and class."""
    rxa = {1: "0", 2: "1", 3: f"{dose.start:%Y%m%d%H%M}", 4: f"{dose.end:%Y%m%d%H%M}"}
    rxa |= {5: f"{dose.name}^{dose.name}^L^{dose.code}^^HCPCS", 6: dose.mg, 7: "mg", 20: "CP", 21: "A"}
    rxa[10] = _physician()
    beside = (("ACCESS", "port", ""), ("CLASS", dose.category, ""), ("WASTE", dose.waste, "mg"))
    values = [f"OBX|{n}|ST|{name}||{value}|{unit}" for n, (name, value, unit) in enumerate(beside, start=1)]
    route = f"RXR|IV|||{'IVP' if dose.push else 'IVPB'}"
    return _message(who, "RAS^O17^RAS_O17", [_pv1(who), f"ORC|RE|{dose.order}", _segment("RXA", rxa), route, *values])


def broken(message: bytes) -> bytes:
    """The message as an interface tears it: the patient's segment is gone."""
    return b"\r".join(line for line in message.split(b"\r") if not line.startswith(b"PID|"))


def _message(who: Speaker, kind: str, segments: Iterable[str]) -> bytes:
    home = _HOMES[who.application]
    head = f"MSH|^~\\&|{who.application}|{home}|ONCOCLAIMS|BILLING|{_time(who.at)}||{kind}|{who.control}|P|2.5.1"
    person = who.person
    pid = f"PID|1||{person.mrn}^^^CLINIC^MR||{person.family}^{person.given}||{_day(person.born)}|{person.sex}"
    event = kind.split("^")[1]
    return ("\r".join([head, f"EVN|{event}|{_time(who.at)}", pid, *segments]) + "\r").encode("ascii")


def _pv1(who: Speaker) -> str:
    return _segment("PV1", {1: "1", 2: "O", 3: _place(who), 7: _physician(), 19: who.visit})


def _place(who: Speaker) -> str:
    return f"{_HOMES[who.application]}^{who.room}^^{who.facility}"


def _physician() -> str:
    return f"{PHYSICIAN.npi}^{PHYSICIAN.family}^{PHYSICIAN.given}^^^^^^NPI^L^^^NPI"


def _segment(name: str, fields: dict[int, str]) -> str:
    return "|".join([name, *(fields.get(n, "") for n in range(1, max(fields) + 1))]).rstrip("|")


def _time(at: datetime) -> str:
    return at.strftime("%Y%m%d%H%M%S")


def _day(day: date) -> str:
    return day.strftime("%Y%m%d")
