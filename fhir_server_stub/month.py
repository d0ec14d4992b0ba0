"""A clinic's month: courses and infusions as messages in the order in which they are sent, and the list of its faults.

`make_month(seed, courses)` draws it; the same numbers give the same bytes on every machine.  Beside what was delivered
stands what the clinic's own coder charged for it (HL7 v2 DFT^P03 of the charge system), so that whoever reads both can
tell where they differ.  `Month.faults` is the whole list of what was made wrong on purpose.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random

from fhir_server_stub import month_infusion, month_v2
from fhir_server_stub.course import Delivered, Outgoing, Sent, Session, Story
from fhir_server_stub.month_course import Treated, before, drawn_courses, on
from fhir_server_stub.month_faults import FEWEST, Fault, seed_faults
from fhir_server_stub.month_infusion import Infused, drawn_infusions
from fhir_server_stub.month_v2 import CodedLine, Speaker
from fhir_server_stub.scenario import Rule, Scenario, When
from fhir_server_stub.story import tell

COURSES = 24
"""Courses of a month where nobody says how many; a third as many patients of the infusion suite come on top."""
_LEVELS = {"77407": "77412", "77412": "77407"}
_FACILITIES = {"hospital": "MAIN", "freestanding": "CENTER"}
_TONGUES = {"zseg": month_v2.RECORD, "codex": month_v2.RECORD, "oru": month_v2.TREATMENTS}


@dataclass(frozen=True, slots=True)
class Month(Sent):
    """A month told as messages, what was delivered in it, and what was made wrong in it."""

    seed: int
    messages: tuple[Outgoing, ...]
    faults: tuple[Fault, ...]
    delivered: tuple[Delivered, ...]
    courses: tuple[Treated, ...]
    infusions: tuple[Infused, ...]

    def payer(self) -> Scenario:
        """How the payers behave: who is insured elsewhere is not known to them, and some answers get lost."""
        rules = [
            Rule("deny", When(member=fault.key), lines="all", carc="109")
            for fault in self.faults
            if fault.kind == "wrong-payer"
        ]
        rules += [Rule("hang_up", When(nth=fault.nth)) for fault in self.faults if fault.kind == "lost-answer"]
        return Scenario("a clinic month's payers", tuple(rules))


def make_month(seed: int = 1, courses: int = COURSES) -> Month:
    """The month of the seed; raises ValueError for fewer courses than the kinds of faults need."""
    if courses < FEWEST:
        raise ValueError(f"a month has at least {FEWEST} courses")
    dice, tag = Random(f"month {seed}"), f"{seed % 1000:03d}"
    seeded = seed_faults(dice, drawn_courses(dice, courses, tag), drawn_infusions(dice, courses // 3, tag))
    messages: list[Outgoing] = []
    delivered: list[Delivered] = []
    faults = list(seeded.faults)
    for one in seeded.courses:
        teller = _CourseTeller(one, [fault for fault in faults if fault.mrn == one.mrn])
        messages += teller.messages()
        delivered += teller.story.delivered
        faults = [teller.known.get(fault.id, fault) for fault in faults]
    for patient in seeded.infusions:
        messages += month_infusion.told(patient) + _coded_visits(patient, faults)
        delivered += month_infusion.truth(patient)
    ordered = sorted(messages, key=lambda message: message.at)
    return Month(seed, tuple(ordered), tuple(faults), tuple(delivered), seeded.courses, seeded.infusions)


class _CourseTeller:
    """All that a clinic's systems say of one course. `known` are faults whose message's control id was learnt."""

    def __init__(self, one: Treated, faults: list[Fault]) -> None:
        self.one, self.faults, self.known = one, faults, dict[str, Fault]()
        self.story: Story = tell(one.script)
        self.uids = {
            int(done.said("fraction")): done.key for done in self.story.delivered if done.service == "delivery"
        }

    def messages(self) -> list[Outgoing]:
        """The record's own messages with what the systems beside it send."""
        found = self._record() if self.one.tongue != "oru" else [*self._without_sessions(), *self._results()]
        torn = {fault.key: fault for fault in self.faults if fault.kind == "parked"}
        told = [self._torn(message, torn) for message in found]
        return [*told, *self._bookings(), *self._charges(), *self._insurance()]

    def _record(self) -> list[Outgoing]:
        return list(self.story.messages)

    def _without_sessions(self) -> list[Outgoing]:
        return [one for one in self.story.messages if not set(one.about) & set(self.uids.values())]

    def _results(self) -> list[Outgoing]:
        told = []
        for session in self.one.script.sessions:
            who = self._speaker(month_v2.TREATMENTS, session.reported_at, f"R{self._tag}-{session.number:02d}")
            uid = self.uids[session.number]
            body = month_v2.result(who, session, self.one.script.course, uid, self.one.script.diagnosis)
            told.append(Outgoing(who.at, "mllp", body, (uid,), f"fraction {session.number}"))
        return told

    def _torn(self, message: Outgoing, torn: dict[str, Fault]) -> Outgoing:
        """The message of a session whose report is torn, without its patient; the fault learns its control id."""
        number = message.note.removeprefix("fraction ")
        fault = torn.get(number)
        if fault is None or not message.note.startswith("fraction "):
            return message
        if isinstance(message.body, bytes):
            self.known[fault.id] = replace(fault, control=message.body.split(b"|")[9].decode())
            return replace(message, body=month_v2.broken(message.body))
        return message

    def _bookings(self) -> list[Outgoing]:
        """Every session is booked when its plan is approved."""
        script, told = self.one.script, []
        application = _TONGUES[self.one.tongue]
        activity = {"oru": "RTFX"}.get(self.one.tongue, self.one.shape.activity)
        starts = [(f"B{self._tag}-{one.number:02d}", one.start) for one in script.sessions]
        for fault in self.faults:
            if fault.kind == "not-delivered" and fault.day is not None:
                hour = script.sessions[0].start
                starts.append((f"B{self._tag}-EX", on(fault.day, hour.hour, hour.minute)))
        for n, (number, start) in enumerate(starts):
            at = script.plan_approved + timedelta(hours=1, minutes=n)
            who = self._speaker(application, at, f"S{number}")
            told.append(Outgoing(at, "mllp", month_v2.booking(who, number, start, 15, activity), (), "booking"))
        return told

    def _charges(self) -> list[Outgoing]:
        """What the clinic's coder charges for each session, on the evening of its day or of its report."""
        told = []
        by_day: dict[str, Fault] = {f.key: f for f in self.faults if f.kind in ("missed", "doubled", "wrong-level")}
        for session in self.one.script.sessions:
            fault = by_day.get(str(session.number))
            kind = fault.kind if fault else ""
            if kind == "missed":
                continue
            code = coded_level(session)
            if kind == "wrong-level":
                code = _LEVELS[code]
            at = session.reported_at.replace(hour=19, minute=30) + timedelta(minutes=session.number % 20)
            told.append(self._charge(session, code, at, ""))
            if kind == "doubled":
                told.append(self._charge(session, code, at + timedelta(hours=1), "D"))
        return told

    def _charge(self, session: Session, code: str, at: datetime, again: str) -> Outgoing:
        number = f"{session.number:02d}{again}"
        who = self._speaker(month_v2.CHARGES, at, f"H{self._tag}-{number}")
        day = session.start.date()
        repeated = any(one.start.date() == day for one in self.one.script.sessions[: session.number - 1])
        modifiers = ("76",) if repeated else ()
        line = CodedLine(f"C{self._tag}-{number}", code, day, 1, modifiers, self.one.script.diagnosis)
        return Outgoing(at, "mllp", month_v2.charges(who, [line]), (self.uids[session.number],), "coded charge")

    def _insurance(self) -> list[Outgoing]:
        """The change of the insurance on its day, and what a payer authorized before the first session."""
        one, told = self.one, []
        script = one.script
        if one.changes is not None:
            at = on(one.changes, 7, 15)
            body = month_v2.insured_anew(self._speaker(month_v2.RECORD, at, f"A{self._tag}-08"), script.policies)
            told.append(Outgoing(at, "mllp", body, (), "insurance changed"))
        policy = script.policies[0]
        if policy.payer_id == "CSMH":
            first, last = script.sessions[0].start.date(), script.sessions[-1].start.date()
            at = on(before(first, 2), 11, 0)
            who = self._speaker(month_v2.RECORD, at, f"A{self._tag}-12")
            units = len(script.sessions)
            span = (first - timedelta(days=14), last + timedelta(days=30))
            body = month_v2.authorized(who, policy, f"PA{self._tag}", ("77407", "77412", "77373"), span, units)
            told.append(Outgoing(at, "mllp", body, (), "authorization"))
        return told

    @property
    def _tag(self) -> str:
        return self.one.script.tag

    def _speaker(self, application: str, at: datetime, control: str) -> Speaker:
        facility = _FACILITIES[self.one.script.setting]
        return Speaker(application, at, control, self.one.script.person, facility, f"V{control}", self.one.machine)


def coded_level(session: Session) -> str:
    """The code of a session in 2026: stereotactic, or the level by isocenters and documented motion management."""
    if session.activity == "RTSBRT":
        return "77373"
    return "77412" if session.isocenters > 1 or (session.motion and session.motion_documented) else "77407"


def _coded_visits(patient: Infused, faults: list[Fault]) -> list[Outgoing]:
    """One message of coded charges for each visit, on its evening."""
    missed = {fault.key for fault in faults if fault.kind == "missed" and fault.mrn == patient.mrn}
    told = []
    for visit in patient.visits:
        lines = [line for line in visit.coded if line.transaction not in missed]
        if lines:
            at = on(visit.day, 20, 30)
            control = f"H{patient.tag}-{visit.number}"
            who = Speaker(month_v2.CHARGES, at, control, patient.person, "CENTER", visit.name, "CHAIR1")
            told.append(Outgoing(at, "mllp", month_v2.charges(who, lines), (), "coded charges of a visit"))
    return told
