"""A course of treatment told as the messages an EHR sends, with the list of what was really delivered.

`make_story(None)` is the fixed demo course; `make_story(seed)` draws another one.  The same seed gives the
same bytes on every machine.  `tell` does the telling: it decides what each message says, in which order
control ids run and which Bundle carries the coverage.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import NAMESPACE_URL, uuid5

from fhir_server_stub import bundles, v2
from fhir_server_stub.course import (
    PHYSICIAN,
    PHYSICIST,
    Channel,
    Clinician,
    Delivered,
    Outgoing,
    Replan,
    Script,
    Session,
    Story,
)
from fhir_server_stub.scripts import demo_script, drawn_script
from fhir_server_stub.wire import Json

_FACILITIES = {"hospital": "MAIN", "freestanding": "CENTER"}


def make_story(seed: int | None = None) -> Story:
    """The demo course (None) or the course that the seed draws."""
    return tell(demo_script() if seed is None else drawn_script(seed), seed)


def tell(script: Script, seed: int | None = None) -> Story:
    """Write the messages and the truth of a script."""
    teller = _Teller(script)
    services, voided = teller.truth()
    return Story(
        seed=seed,
        setting=script.setting,
        payer_kind=script.payer_kind,
        patient=script.person,
        coverages=script.policies,
        diagnosis=script.diagnosis,
        course=script.course,
        plan=script.plan,
        delivered=services,
        voided=voided,
        messages=teller.messages(),
    )


@dataclass(frozen=True, slots=True)
class _Draft:
    """A message before its place in the order is known: `v2` wants a control id, `fhir` a Bundle number."""

    at: datetime
    note: str
    about: tuple[str, ...]
    v2: Callable[[str], bytes] | None = None
    fhir: Callable[[int], Json] | None = None
    again: datetime | None = None

    @property
    def channel(self) -> Channel:
        return "mllp" if self.v2 else "fhir"


class _Teller:
    """Names everything in one script (identities never depend on the order of messages) and writes it."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.facility = _FACILITIES[script.setting]
        self.setting = bundles.Setting(
            person=script.person,
            diagnosis=script.diagnosis,
            facility=self.facility,
            course=script.course,
            phase=script.phase,
            course_uid=self._uid("course"),
            phase_uid=self._uid("phase"),
        )

    def messages(self) -> tuple[Outgoing, ...]:
        """All messages in the order in which they leave; a repeated one has the bytes of the first."""
        drafts = sorted(self._drafts(), key=lambda draft: draft.at)
        sent: list[Outgoing] = []
        controls = bundle_number = 0
        for draft in drafts:
            if draft.v2:
                controls += 1
                body: bytes | Json = draft.v2(f"MQ{self.script.tag}-{controls:04d}")
            else:
                assert draft.fhir is not None  # noqa: S101 - a draft has one of the two
                bundle_number += 1
                body = draft.fhir(bundle_number)
            message = Outgoing(draft.at, draft.channel, body, draft.about, draft.note)
            sent.append(message)
            if draft.again:
                sent.append(replace(message, at=draft.again, note=f"{draft.note}, the same bytes again"))
        return tuple(sorted(sent, key=lambda message: message.at))

    def truth(self) -> tuple[tuple[Delivered, ...], tuple[str, ...]]:
        """Services really delivered by day, and the keys of those that were reported and taken back."""
        script = self.script
        plan = "imrt-plan" if script.technique == "imrt" else "3d-plan"
        approved = script.plan_approved.date()
        done = [Delivered("simulation", script.simulation.date(), self._id("SIM"))]
        if script.planning:
            done.append(Delivered("planning", script.planning.date(), self._id("PLN"), (("complexity", "complex"),)))
        done += [
            Delivered(plan, approved, self._id("PLAN"), (("isocenters", str(script.isocenters)),)),
            Delivered(
                "device",
                approved,
                self._id("DEV"),
                (("type", script.device), ("complexity", "complex"), ("units", str(script.devices))),
            ),
            Delivered("calculation", approved, self._id("CALC"), (("units", str(script.calculations)),)),
        ]
        for number, new in enumerate(script.replans, start=2):
            what = "imrt-plan" if new.technique == "imrt" else "3d-plan"
            isocenters = (("isocenters", str(script.isocenters)),)
            done.append(Delivered(what, new.approved.date(), self._id(f"PLAN{number}"), isocenters))
        real = [session for session in script.sessions if not session.void_at]
        for place, session in enumerate(real):
            following = real[place + 1].start if place + 1 < len(real) else None
            done += self._session_truth(session, following)
        for number, visit in enumerate(script.visits, start=1):
            key = self._id(f"OTV{number}") if visit.channel == "mllp" else self._visit_number(f"OTV{number}")
            done.append(Delivered("visit", visit.at.date(), key, (("by", PHYSICIAN.npi),)))
        for number, at in enumerate(script.physics, start=1):
            done.append(Delivered("physics", at.date(), self._id(f"PHY{number}"), (("by", PHYSICIST.npi),)))
        voided = tuple(self._session_uid(session) for session in script.sessions if session.void_at)
        return tuple(sorted(done, key=lambda service: service.day)), voided

    def _session_truth(self, session: Session, following: datetime | None) -> list[Delivered]:
        uid = self._session_uid(session)
        facts = (
            ("fraction", str(session.number)),
            ("start", session.start.isoformat()),
            ("technique", session.technique),
            ("isocenters", str(session.isocenters)),
            ("motion", "Y" if session.motion else "N"),
            ("motion-documented", "Y" if session.motion_documented else "N"),
            ("channels", "+".join(session.channels)),
        )
        done = [Delivered("delivery", session.start.date(), uid, facts)]
        if session.guidance != "none":
            reviewed = "never"
            if session.reviewed_at:
                late = following is not None and session.reviewed_at >= following
                reviewed = "late" if late else "in-time"
            seen = (("kind", session.guidance), ("reviewed", reviewed), ("fraction", str(session.number)))
            done.append(Delivered("guidance", session.start.date(), uid, seen))
        return done

    def _drafts(self) -> list[_Draft]:
        script = self.script
        drafts = [
            _Draft(script.registered_at, "registration", (), v2=self._registration),
            self._dft(
                script.simulation, "simulation", self._activity("RTSIM", "SIM", script.simulation, complexity="complex")
            ),
            self._plan(),
            *(self._replan(number, new) for number, new in enumerate(script.replans, start=2)),
        ]
        if script.planning:
            planning = self._activity("RTPLN", "PLN", script.planning, complexity="complex")
            drafts.append(self._dft(script.planning, "clinical planning", planning))
        for session in script.sessions:
            drafts += self._session(session)
        for number, visit in enumerate(script.visits, start=1):
            if visit.channel == "mllp":
                seen = self._activity("RTOTV", f"OTV{number}", visit.at)
                drafts.append(self._dft(visit.at + timedelta(minutes=10), "on-treatment visit", seen))
            else:
                drafts.append(self._visit_bundle(f"OTV{number}", visit.at))
        for number, at in enumerate(script.physics, start=1):
            check = self._activity("RTPHY", f"PHY{number}", at, by=PHYSICIST)
            drafts.append(self._dft(at + timedelta(minutes=5), "weekly physics check", check))
        if "mllp" in script.end_channels:
            drafts.append(self._dft(script.ended_at, "course end", self._activity("RTEND", "END", script.ended_at)))
        if "fhir" in script.end_channels:
            drafts.append(self._end_bundle(script.ended_at + timedelta(minutes=2)))
        return drafts

    def _registration(self, control_id: str) -> bytes:
        script = self.script
        return v2.registration(
            at=script.registered_at,
            control_id=control_id,
            person=script.person,
            policies=script.policies,
            facility=self.facility,
            visit=self._visit_number("REG"),
        )

    def _plan(self) -> _Draft:
        script, at = self.script, self.script.plan_approved
        code = "RTIMRT" if script.technique == "imrt" else "RT3D"
        plan = self._activity(code, "PLAN", at)
        plan = replace(
            plan,
            radiation=replace(
                plan.radiation,
                technique=script.technique,
                isocenters=script.isocenters,
                planned_fractions=script.planned_fractions,
            ),
        )
        device = self._activity("RTDEV", "DEV", at, units=script.devices, complexity="complex", by=PHYSICIST)
        device = replace(device, radiation=replace(device.radiation, device=script.device))
        sums = self._activity("RTCALC", "CALC", at, units=script.calculations, by=PHYSICIST)
        return self._dft(at + timedelta(minutes=30), "plan, device, calculations", plan, device, sums)

    def _replan(self, number: int, new: Replan) -> _Draft:
        code = "RTIMRT" if new.technique == "imrt" else "RT3D"
        plan = self._activity(code, f"PLAN{number}", new.approved)
        known = replace(plan.radiation, phase=new.phase, plan=new.plan, technique=new.technique)
        known = replace(known, isocenters=self.script.isocenters, planned_fractions=new.fractions)
        return self._dft(new.approved + timedelta(minutes=30), "second plan", replace(plan, radiation=known))

    def _session(self, session: Session) -> list[_Draft]:
        said, drafts = session, []
        if session.correction:
            wrong = session.correction
            said = replace(session, isocenters=wrong.wrong_isocenters, technique=wrong.wrong_technique)
        about, name = (self._session_uid(session),), f"fraction {session.number}"
        at, again = session.reported_at, session.again
        if "mllp" in session.channels:
            drafts.append(replace(self._dft(at, name, self._fraction(said, at), about=about), again=again))
            again = None
        if "fhir" in session.channels:
            by_fhir = at + timedelta(minutes=3) if "mllp" in session.channels else at
            drafts.append(replace(self._bundle(by_fhir, name, said, "completed", 1), again=again))
        for later, change, kind, status in (
            (session.correction and session.correction.at, "corrected", "CG", "completed"),
            (session.void_at, "voided", "CD", "entered-in-error"),
        ):
            if later and session.channels[0] == "mllp":
                said_now = replace(self._fraction(session, later), kind=kind)
                drafts.append(self._dft(later, f"{name} {change}", said_now, about=about))
            elif later:
                drafts.append(self._bundle(later, f"{name} {change}", session, status, 2))
        if session.reviewed_at and not session.review_inside:
            review = self._activity("RTREV", f"REV{session.number}", session.reviewed_at)
            review = replace(review, order=about[0])
            known = replace(review.radiation, fraction=session.number, session_uid=about[0])
            known = replace(known, guidance=session.guidance, reviewed_at=session.reviewed_at)
            told = session.reviewed_at + timedelta(minutes=2)
            drafts.append(self._dft(told, f"image review of {name}", replace(review, radiation=known), about=about))
        return drafts

    def _fraction(self, session: Session, at: datetime) -> v2.Activity:
        """RTTX; a review that happened before `at` and belongs inside is told with it."""
        uid, motion = self._session_uid(session), "N^^"
        if session.motion:
            motion = f"Y^{'Y' if session.motion_documented else 'N'}^DIBH gating"
        inside = session.review_inside and session.reviewed_at is not None and session.reviewed_at <= at
        activity = self._activity(session.activity, f"TX{session.number:02d}", session.start)
        radiation = replace(
            activity.radiation,
            phase=session.phase or self.script.phase,
            plan=session.plan or self.script.plan,
            fraction=session.number,
            session_uid=uid,
            technique=session.technique,
            isocenters=session.isocenters,
            motion=motion,
            guidance=session.guidance,
            reviewed_at=session.reviewed_at if inside else None,
            planned_fractions=self.script.planned_fractions,
        )
        return replace(activity, end=session.end, order=uid, radiation=radiation)

    def _activity(
        self,
        code: str,
        name: str,
        at: datetime,
        *,
        units: int = 1,
        complexity: str = "",
        by: Clinician = PHYSICIAN,
    ) -> v2.Activity:
        script = self.script
        return v2.Activity(
            code=code,
            transaction=self._id(name),
            start=at,
            end=at,
            units=units,
            performer=by,
            order=f"O{script.tag}-{name}",
            radiation=v2.Radiation(course=script.course, phase=script.phase, plan=script.plan, complexity=complexity),
        )

    def _dft(self, at: datetime, note: str, *done: v2.Activity, about: tuple[str, ...] | None = None) -> _Draft:
        keys = tuple(activity.transaction for activity in done) if about is None else about
        # The course's end is no service: nothing is billed for it.
        keys = tuple(key for key in keys if key != self._id("END"))
        fraction = done[0].radiation.fraction
        visit = f"{fraction:02d}" if fraction else at.strftime("%Y%m%d")

        def write(control_id: str) -> bytes:
            return v2.activities(
                at=at,
                control_id=control_id,
                person=self.script.person,
                facility=self.facility,
                visit=self._visit_number(visit),
                attending=PHYSICIAN,
                diagnosis=self.script.diagnosis,
                done=done,
                machine=self.script.machine,
            )

        return _Draft(at, note, keys, v2=write)

    def _bundle(self, at: datetime, note: str, session: Session, status: str, version: int) -> _Draft:
        uid, visit = self._session_uid(session), self._visit_number(f"{session.number:02d}")

        def write(number: int) -> Json:
            void = status == "entered-in-error"
            encounter = bundles.session_encounter(self.setting, session, visit, void=void)
            fraction = bundles.treated_fraction(
                self.setting, session, uid=uid, visit=visit, status=status, version=version, at=at
            )
            course = self._course(at, number, ended=None)
            phase = bundles.treated_phase(
                self.setting,
                started=self._started(),
                delivered=self._so_far(at),
                version=number,
                at=at,
            )
            return bundles.transaction(at, [*self._who(number), encounter, course, phase, fraction])

        return _Draft(at, note, (uid,), fhir=write)

    def _visit_bundle(self, name: str, start: datetime) -> _Draft:
        at, visit = start + timedelta(minutes=10), self._visit_number(name)

        def write(number: int) -> Json:
            encounter = bundles.visit_encounter(self.setting, visit, start, start + timedelta(minutes=8))
            return bundles.transaction(at, [*self._who(number), encounter])

        return _Draft(at, "on-treatment visit", (visit,), fhir=write)

    def _end_bundle(self, at: datetime) -> _Draft:
        def write(number: int) -> Json:
            course = self._course(at, number, ended=self.script.ended_at)
            return bundles.transaction(at, [*self._who(number), course])

        return _Draft(at, "course end", (), fhir=write)

    def _who(self, number: int) -> list[Json]:
        """The patient always, the coverage in the first Bundle only."""
        person = self.script.person
        held = [bundles.coverage(person, policy) for policy in self.script.policies] if number == 1 else []
        return [bundles.patient(person), *held]

    def _course(self, at: datetime, version: int, *, ended: datetime | None) -> Json:
        return bundles.course_summary(
            self.setting,
            started=self._started(),
            ended=ended,
            delivered=self._so_far(at),
            version=version,
            at=at,
        )

    def _started(self) -> datetime:
        return self.script.sessions[0].start

    def _so_far(self, at: datetime) -> int:
        return sum(
            session.reported_at <= at and not (session.void_at and session.void_at <= at)
            for session in self.script.sessions
        )

    def _session_uid(self, session: Session) -> str:
        return self._uid(f"session {session.number}")

    def _uid(self, name: str) -> str:
        # A DICOM UID made from a UUID (PS3.5 B.2): 2.25 and the UUID as a decimal number.
        script = self.script
        return f"2.25.{uuid5(NAMESPACE_URL, f'urn:clinic:{script.tag}:{script.person.mrn}:{name}').int}"

    def _id(self, name: str) -> str:
        return f"T{self.script.tag}-{name}"

    def _visit_number(self, name: str) -> str:
        return f"V{self.script.tag}-{name}"
