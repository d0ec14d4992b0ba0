"""Histories of one person, as hypothesis draws them: a course told over two channels, in any order, with corrections."""

from __future__ import annotations

import functools
import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

import adapters
from adapters.fhir.capture import capture as capture_fhir
from adapters.hl7v2.capture import capture as capture_v2
from adapters.model.charge import Charge, Hold
from adapters.model.event import Event, Status
from adapters.model.record import Captured, ChargeStatus, PersonRecord, Reading
from adapters.pipeline import House
from adapters.settings import site_of
from fhir_server_stub.course import Story
from fhir_server_stub.story import make_story
from tests.model.clinic import (
    NURSE,
    PHYSICIAN,
    background,
    ended,
    exam,
    fraction,
    house,
    insured,
    report,
    rules,
    workdays,
)


@dataclass(frozen=True, slots=True)
class History:
    """Reports of one person at one clinic, in the order of service."""

    at: House
    events: tuple[Event, ...]

    @property
    def last(self) -> date:
        """The last date of service."""
        return max(event.day for event in self.events)


_TECHNIQUES = (
    {"technique": "3d", "modality": "photon"},
    {"technique": "imrt", "modality": "photon"},
    {"technique": "2d", "modality": "photon"},
    {"technique": "electron", "modality": "electron"},
)


@st.composite
def sessions(draw: st.DrawFn, day: date, n: int, course: str) -> list[Event]:
    """One session, reported by one channel or by both, and perhaps restated."""
    known = draw(st.booleans())
    facts: dict[str, object] = dict(draw(st.sampled_from(_TECHNIQUES)))
    facts["isocenters"] = draw(st.sampled_from([1, 1, 2, None]))
    if draw(st.booleans()):
        facts["motion__active"] = True
        facts["motion__documented"] = draw(st.booleans())
    guided = draw(st.sampled_from([None, "never", "soon", "late"]))
    if guided:
        facts["guidance"] = draw(st.sampled_from(["cbct", "ultrasound", "stereo-xray"]))
        if guided != "never":
            reviewed = day + timedelta(days=4 if guided == "late" else 0)
            facts["guidance__reviewed_at"] = f"{reviewed}T19:00:00-05:00"
    uid = {"uid": f"2.25.{course}{n}"} if known else {}
    number = draw(st.sampled_from([n, n, n, None]))
    first = fraction(f"{day}T09:00", number, line=f"rt|{course}{n}", course=course, **facts, **uid)
    told = [first]
    if draw(st.integers(0, 3)) == 0:  # the other channel says it too, with the same UID or at least the number
        told.append(
            fraction(
                f"{day}T09:0{draw(st.integers(0, 9))}", n, line=f"ehr|{course}{n}", course=course, feed="ehr", **uid
            )
        )
    if draw(st.integers(0, 5)) == 0:  # restated: another isocenter count, a number or UID learned, or taken back
        uid = uid or draw(st.sampled_from([{}, {"uid": f"2.25.{course}{n}"}]))
        status = draw(st.sampled_from([Status.DONE, Status.WITHDRAWN]))
        facts["isocenters"] = draw(st.sampled_from([1, 2]))
        said = f"{day + timedelta(days=1)}T08:00"
        told.append(
            fraction(f"{day}T09:00", n, line=f"rt|{course}{n}", course=course, said=said, status=status, **facts, **uid)
        )
    return told


@st.composite
def histories(draw: st.DrawFn, *, longest: int = 9) -> History:
    """A course of up to `longest` working days around New Year, with what belongs to it, told in the order of service."""
    at = house(
        draw(st.sampled_from(["hospital", "freestanding"])),
        kind=draw(st.sampled_from(["medicare", "commercial"])),
        cycle=draw(st.sampled_from(["day", "week", "month"])),
        payer_options={
            "claim.completeness": draw(st.sampled_from(["line", "cycle"])),
            "management.dos": draw(st.sampled_from(["last_fraction", "first_fraction"])),
            "unknown.isocenters": draw(st.sampled_from(["lowest-supported", "hold"])),
        },
    )
    begin = date(2025, 12, 18) + timedelta(days=draw(st.integers(0, 20)))
    days = workdays(begin.isoformat(), draw(st.integers(1, longest)))
    events = background()
    if draw(st.integers(0, 4)) == 0:  # another insurance from some day on
        events.append(insured("first", to=str(days[-1]), said="2026-03-01"))
        events.append(insured("second", str(days[-1] + timedelta(days=1)), member="M-2"))
    plans = draw(st.sampled_from([["3d-plan"], ["imrt-plan"], [], ["3d-plan", "imrt-plan"]]))
    if plans:
        eve = days[0] - timedelta(days=draw(st.integers(1, 20)))
        events.append(report("simulation", f"{eve}T10:00", complexity="complex", keys=("order:SIM",)))
        plan = days[0] - timedelta(days=1)
        order = draw(st.sampled_from([(), ("order:PLAN",)]))
        events.extend(report(kind, f"{plan}T11:00", plan="P1", keys=order) for kind in plans)
        if draw(st.integers(0, 3)) == 0:  # the order is done once more, on another day
            events.append(report("simulation", f"{days[-1]}T08:00", complexity="simple", keys=("order:SIM",)))
        events.append(report("dosimetry-calc", f"{plan}T11:30", plan="P1", count=draw(st.integers(1, 8))))
        events.append(report("planning", f"{plan}T12:00", complexity="complex"))
    n = 0
    for day in days:
        n += 1
        events.extend(draw(sessions(day, n, "C1")))
        if draw(st.integers(0, 6)) == 0:  # a second session of the day
            n += 1
            events.append(fraction(f"{day}T16:00", n, line=f"rt|C1{n}"))
        if draw(st.integers(0, 3)) == 0:
            events.append(exam(f"{day}T10:10", draw(st.sampled_from([PHYSICIAN, NURSE]))))
        if draw(st.integers(0, 5)) == 0:  # what the other system charges for the day
            code = draw(st.sampled_from(["77407", "77412", "77402", "77336"]))
            events.append(report("coded-charge", f"{day}T18:00", code=code))
    if draw(st.booleans()):
        events.append(ended(days[-1]))
    if draw(st.integers(0, 6)) == 0:  # a report that names no course
        events.append(fraction(f"{days[-1]}T07:00", None, course="", line="rt|loose", uid="2.25.999"))
    return History(at, tuple(events))


# ---------------------------------------------------------------- the stub's stories


@functools.cache
def demo_house() -> House:
    """The clinic of the demo, to which the stub's stories are told."""
    path = Path(adapters.__file__).parent / "demo" / "site.toml"
    return House.of(rules(), site_of(path, rules()))


@functools.cache
def story(seed: int) -> Story:
    """The story of that seed."""
    return make_story(seed)


@functools.cache
def told_by(seed: int) -> tuple[Reading, ...]:
    """The readings of a story's messages, captured from their bytes."""
    at = demo_house()
    found: list[Reading] = []
    for message in story(seed).messages:
        id = str(uuid.uuid5(uuid.NAMESPACE_URL, hashlib.sha256(message.wire).hexdigest()))
        feed = at.site.feed("mosaiq" if message.channel == "mllp" else "ehr")
        assert feed is not None
        received = message.at.astimezone(UTC)
        dialect = at.rules.dialect(feed.dialect)
        if message.channel == "mllp":
            captured = capture_v2(message.wire, feed=feed, dialect=dialect, message=id, received=received)
        else:
            captured = capture_fhir(
                message.wire, feed=feed, dialect=dialect, message=id, received=received, zone=ZoneInfo(feed.zone)
            )
        assert isinstance(captured, tuple)
        found.extend(Reading(id, received, captured=one) for one in captured)
    return tuple(found)


# ---------------------------------------------------------------- what is compared


def due(record: PersonRecord) -> list[Charge]:
    """The charges that stand, as bills, in one order."""
    charges = [replace(c.charge, why=c.charge.why) for c in record.charges if c.status is not ChargeStatus.VOID]
    return sorted(charges, key=lambda c: (c.slot, c.code, c.modifiers, c.start))


def held(record: PersonRecord) -> list[Hold]:
    """The holds, in one order."""
    return sorted(record.holds, key=lambda h: (h.slot, h.code, h.instead_of, h.about, h.would.code if h.would else ""))


def lost(record: PersonRecord) -> list[tuple[str, date]]:
    """Events of which no fact is in any why, and which no skip names: there must be none."""
    whys = [c.charge.why for c in record.charges if c.status is not ChargeStatus.VOID]
    whys += [h.why for h in record.holds]
    rests = {(fact.source.message, fact.source.at) for why in whys for fact in why.facts}
    skipped = {skip.event for skip in record.skips}
    return [
        (e.kind, e.day) for e in record.events if e.id not in skipped and (e.source.message, e.source.at) not in rests
    ]


def one_by_one(readings: Sequence[Reading]) -> list[Reading]:
    """The same readings with every event in a message of its own."""
    return [
        replace(r, captured=Captured(r.captured.person, (event,)))
        for r in readings
        if r.captured
        for event in r.captured.events
    ]
