"""The EHR's HL7 v2.5.1 messages: registration (ADT^A04) and clinical activities (DFT^P03).

The dialect is that of one invented radiation-oncology system, described in this folder's README: FT1-7 is
the activity, FT1-25 stays empty because the EHR does not code, and a ZRT segment after each FT1 carries
what no standard segment holds (course, fraction, technique, isocenters, motion, guidance).
Times are the clinic's local time without offset.
"""

from dataclasses import dataclass
from datetime import date, datetime

from fhir_server_stub.course import Clinician, Person, Policy

LABELS = {
    "RTTX": "Fraction delivered",
    "RTSBRT": "Stereotactic body fraction delivered",
    "RTSIM": "CT simulation",
    "RTIMRT": "IMRT plan",
    "RT3D": "3D plan",
    "RTCALC": "Dosimetry calculations",
    "RTDEV": "Treatment device",
    "RTOTV": "On-treatment visit",
    "RTPHY": "Physics check",
    "RTREV": "Guidance image review",
    "RTEND": "Course end",
    "RTPLN": "Clinical planning",
}


@dataclass(frozen=True, slots=True)
class Radiation:
    """The ZRT segment: ZRT-2 course to ZRT-14 device type; an empty text is an empty field."""

    course: str
    phase: str = ""
    plan: str = ""
    fraction: int | None = None
    session_uid: str = ""
    technique: str = ""
    isocenters: int | None = None
    motion: str = ""
    guidance: str = ""
    reviewed_at: datetime | None = None
    planned_fractions: int | None = None
    complexity: str = ""
    device: str = ""

    def segment(self, set_id: int) -> str:
        """ZRT as text; ZRT-9 `motion` is given whole (active^documented^method)."""
        return "|".join(
            (
                "ZRT",
                str(set_id),
                _text(self.course),
                _text(self.phase),
                _text(self.plan),
                _number(self.fraction),
                self.session_uid,
                self.technique,
                _number(self.isocenters),
                self.motion,
                self.guidance,
                _time(self.reviewed_at) if self.reviewed_at else "",
                _number(self.planned_fractions),
                self.complexity,
                self.device,
            )
        )


@dataclass(frozen=True, slots=True)
class Activity:
    """One FT1: what was done, when, by whom; `order` goes to FT1-23; `kind` CD takes the activity back."""

    code: str
    transaction: str
    start: datetime
    end: datetime
    units: int
    performer: Clinician
    order: str
    radiation: Radiation
    kind: str = "CG"


def registration(
    *, at: datetime, control_id: str, person: Person, policies: tuple[Policy, ...], facility: str, visit: str
) -> bytes:
    """ADT^A04 with one IN1 for each coverage."""
    segments = [
        _header(at, "ADT^A04^ADT_A01", control_id),
        f"EVN|A04|{_time(at)}",
        _patient(person),
        _visit(facility, visit, None),
    ]
    for number, policy in enumerate(policies, start=1):
        segments.append(_insurance(number, policy, person))
    return _message(segments)


def activities(
    *,
    at: datetime,
    control_id: str,
    person: Person,
    facility: str,
    visit: str,
    attending: Clinician,
    diagnosis: str,
    done: tuple[Activity, ...],
    machine: str = "TX1",
) -> bytes:
    """DFT^P03 with an FT1 and its ZRT for each activity, all in the room of one machine."""
    segments = [
        _header(at, "DFT^P03^DFT_P03", control_id),
        f"EVN|P03|{_time(at)}",
        _patient(person),
        _visit(facility, visit, attending, machine),
    ]
    for number, activity in enumerate(done, start=1):
        segments.append(_transaction(number, at, f"RADONC^{machine}^^{facility}", diagnosis, activity))
        segments.append(activity.radiation.segment(number))
    return _message(segments)


def _transaction(number: int, at: datetime, where: str, diagnosis: str, activity: Activity) -> str:
    when = f"{_time(activity.start)}^{_time(activity.end)}"
    fields = {
        1: str(number),
        2: activity.transaction,
        4: when,
        5: _time(at),
        6: activity.kind,
        7: f"{activity.code}^{LABELS[activity.code]}^L",
        10: str(activity.units),
        13: "RADONC^Radiation Oncology^L",
        16: where,
        19: f"{diagnosis}^^I10C",
        20: _clinician(activity.performer),
        23: f"{activity.order}^MOSAIQ",
        25: "",
    }
    return _segment("FT1", fields)


def _header(at: datetime, kind: str, control_id: str) -> str:
    return f"MSH|^~\\&|MOSAIQ|RADONC|ONCOCLAIMS|BILLING|{_time(at)}||{kind}|{control_id}|P|2.5.1"


def _patient(person: Person) -> str:
    name = f"{_text(person.family)}^{_text(person.given)}"
    return f"PID|1||{person.mrn}^^^CLINIC^MR||{name}||{_day(person.born)}|{person.sex}"


def _visit(facility: str, visit: str, attending: Clinician | None, machine: str = "TX1") -> str:
    fields = {1: "1", 2: "O", 3: f"RADONC^{machine}^^{facility}", 19: visit}
    if attending:
        fields[7] = _clinician(attending)
    return _segment("PV1", fields)


def _insurance(number: int, policy: Policy, person: Person) -> str:
    fields = {
        1: str(number),
        2: f"{policy.plan_id}^{_text(policy.plan_name)}^L",
        3: policy.payer_id,
        4: _text(policy.payer_name),
        8: policy.group,
        12: _day(policy.start),
        13: _day(policy.end) if policy.end else "",
        16: f"{_text(person.family)}^{_text(person.given)}",
        17: "SEL",
        18: _day(person.born),
        22: str(policy.order),
        36: policy.member,
    }
    return _segment("IN1", fields)


def _clinician(who: Clinician) -> str:
    return f"{who.npi}^{_text(who.family)}^{_text(who.given)}^^^^^^NPI^L^^^NPI"


def _segment(name: str, fields: dict[int, str]) -> str:
    return "|".join([name, *(fields.get(n, "") for n in range(1, max(fields) + 1))])


def _message(segments: list[str]) -> bytes:
    return ("\r".join(segments) + "\r").encode("ascii")


def _text(value: str) -> str:
    # The backslash first, or the escapes themselves would be escaped.
    for plain, escaped in (("\\", "\\E\\"), ("|", "\\F\\"), ("^", "\\S\\"), ("&", "\\T\\"), ("~", "\\R\\")):
        value = value.replace(plain, escaped)
    return value


def _time(at: datetime) -> str:
    return at.strftime("%Y%m%d%H%M%S")


def _day(day: date) -> str:
    return day.strftime("%Y%m%d")


def _number(value: int | None) -> str:
    return "" if value is None else str(value)
