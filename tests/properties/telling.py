"""What a clinic says of its patients, as bytes and as what the bytes mean: for the state machine and the simulation.

Each message carries its meaning beside it (`says`), which the oracle reads; the program reads the bytes alone. The same
arguments always give the same bytes. Sessions come from the radiation-oncology system (`rt`, HL7 v2), from the EHR
(`ehr`, FHIR) or from both; coded charges from a billing system of their own (`charges`, HL7 v2).
"""

from __future__ import annotations

import functools
import hashlib
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from adapters.fhir.capture import capture as capture_fhir
from adapters.hl7v2.capture import capture as capture_v2
from adapters.model.record import Reading
from adapters.model.site import Family, Feed, Mode, PayerEndpoint, Price, Site
from adapters.pipeline import House
from fhir_server_stub import bundles, v2
from fhir_server_stub.course import PHYSICIAN, Person, Policy
from fhir_server_stub.course import Session as Treated
from fhir_server_stub.wire import dumps
from tests.model.clinic import ZONE, rules, site

FIRST_DAY = date(2026, 1, 5)
SYSTEM = "urn:clinic:mrn"
CODED = {"77300": "dosimetry", "77407": "delivery", "77412": "delivery"}
"""Codes that the billing system sends, with the family that each belongs to: the first it alone charges."""
PAYERS = ("first", "second")


# ---------------------------------------------------------------- what a message means


@dataclass(frozen=True, slots=True)
class SessionSaid:
    """One channel's statement of one session; a later one of the same channel and session stands in its place."""

    who: int
    channel: str
    session: str
    day: date
    technique: str
    isocenters: int
    done: bool
    said: datetime


@dataclass(frozen=True, slots=True)
class CodedSaid:
    """The billing system's statement of one charge line."""

    who: int
    line: str
    day: date
    code: str
    units: int
    done: bool
    said: datetime


@dataclass(frozen=True, slots=True)
class CoverageSaid:
    """The registration's statement of one policy: who pays from when to when."""

    who: int
    payer: str
    start: date
    end: date | None
    order: int
    said: datetime


Statement = SessionSaid | CodedSaid | CoverageSaid


@dataclass(frozen=True, slots=True)
class Message:
    """Bytes, the feed that brings them, when they leave their sender, and what they mean."""

    feed: str
    wire: bytes
    at: datetime
    says: tuple[Statement, ...]

    @property
    def id(self) -> str:
        """An id from the content, as the journal would give one."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, hashlib.sha256(self.wire).hexdigest()))


# ---------------------------------------------------------------- the clinic


def workday(n: int) -> date:
    """The n-th day on which the clinic treats, counted from nought."""
    weeks, days = divmod(n + FIRST_DAY.weekday(), 5)
    return FIRST_DAY - timedelta(days=FIRST_DAY.weekday()) + timedelta(weeks=weeks, days=days)


def local(day: date, hour: int, minute: int = 0) -> datetime:
    """That time of the clinic's own day."""
    return datetime.combine(day, time(hour, minute), ZONE)


@functools.cache
def person(who: int) -> Person:
    """An invented patient."""
    names = ("Quillfeather", "Oduya", "Brandvold", "Szalai", "Maribel-Ruiz", "Ike")
    return Person(
        f"MR{500_100 + who}",
        names[who % 6],
        "Marit" if who % 2 else "Anselm",
        date(1950 + who % 30, 2, 3),
        "F" if who % 2 else "M",
    )


def clinic(
    setting: str = "freestanding",
    *,
    cycle: str = "week",
    wait_days: int = 0,
    endpoints: tuple[PayerEndpoint, PayerEndpoint] = (PayerEndpoint(), PayerEndpoint()),
    zone: str = ZONE.key,
) -> Site:
    """A place with three feeds and two payers; delivery is derived, dosimetry is charged as coded."""
    plain = site(setting, cycle=cycle, wait_days=wait_days)
    place = plain.facilities[0].id
    alias = {"CLINIC": SYSTEM}

    def feed(name: str, *applications: str) -> Feed:
        said = plain.feed(name)
        media, dialect = (said.media, said.dialect) if said else ("hl7v2", "plain-dft")
        return Feed(name, media, dialect, zone, place, "P", applications, SYSTEM, alias)

    payers = tuple(replace(payer, endpoint=endpoint) for payer, endpoint in zip(plain.payers, endpoints, strict=True))
    return replace(
        plain,
        zone=zone,
        payers=payers,
        feeds=(
            feed("rt"),
            feed("ehr"),
            feed("charges", "CHARGER"),
        ),
        families=(
            Family("delivery", Mode.DERIVE, date(2015, 1, 1)),
            Family("dosimetry", Mode.ACCEPT, date(2015, 1, 1)),
        ),
    )


@functools.cache
def house(setting: str = "freestanding", cycle: str = "week") -> House:
    """The rules and that clinic."""
    return House.of(rules(), clinic(setting, cycle=cycle))


def facility(setting: str) -> str:
    """What the messages call the place."""
    return "MAIN" if setting == "hospital" else "CENTER"


# ---------------------------------------------------------------- the messages


def _said(day: date, n: int, version: int) -> datetime:
    """When a statement is made: every version of it two hours and some minutes after the one before."""
    return local(day, 12, n % 60).astimezone(UTC) + timedelta(hours=2 * version)


def session_uid(who: int, n: int) -> str:
    """The DICOM UID of a session."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_URL, f'session {who} {n}').int}"


@functools.cache
def session(
    setting: str,
    who: int,
    n: int,
    *,
    version: int = 0,
    technique: str = "3d",
    isocenters: int = 1,
    done: bool = True,
    day: date | None = None,
) -> Message:
    """The radiation-oncology system's report of session n, or its restatement; not `done`: it takes the session back."""
    on = day or workday(n)
    start, said = local(on, 9), _said(on, n, version)
    uid = session_uid(who, n)
    radiation = v2.Radiation("C1", "Primary", "Plan1", n + 1, uid, technique, isocenters, "N^^", "none")
    activity = v2.Activity(
        "RTTX",
        f"T{who}-{n}",
        start,
        start + timedelta(minutes=12),
        1,
        PHYSICIAN,
        uid,
        radiation,
        "CG" if done else "CD",
    )
    wire = v2.activities(
        at=said.astimezone(ZONE),
        control_id=f"S{who}-{n}-{version}-{technique}{isocenters}{int(done)}",
        person=person(who),
        facility=facility(setting),
        visit=f"V{who}-{n}",
        attending=PHYSICIAN,
        diagnosis="C61",
        done=(activity,),
    )
    return Message("rt", wire, said, (SessionSaid(who, "rt", uid, on, technique, isocenters, done, said),))


@functools.cache
def twin(
    setting: str, who: int, n: int, *, version: int = 0, technique: str = "3d", isocenters: int = 1, done: bool = True
) -> Message:
    """The EHR's report of the same session, by its UID: a transaction Bundle."""
    on = workday(n)
    start, said = local(on, 9), _said(on, n, version) + timedelta(minutes=61)
    uid, visit = session_uid(who, n), f"V{who}-{n}"
    common = bundles.Setting(
        person(who), "C61", facility(setting), "C1", "Primary", f"2.25.{10**20 + who}", f"2.25.{2 * 10**20 + who}"
    )
    told = Treated(
        number=n + 1,
        start=start,
        end=start + timedelta(minutes=12),
        channels=("fhir",),
        technique="imrt" if technique == "imrt" else "3d",
        isocenters=isocenters,
        guidance="none",
        reported_at=said,
    )
    began = local(FIRST_DAY, 9)
    status = "completed" if done else "entered-in-error"
    body = bundles.transaction(
        said.astimezone(ZONE),
        [
            bundles.patient(person(who)),
            bundles.session_encounter(common, told, visit, void=not done),
            bundles.course_summary(common, started=began, ended=None, delivered=1, version=1, at=began),
            bundles.treated_phase(common, started=began, delivered=1, version=1, at=began),
            bundles.treated_fraction(
                common, told, uid=uid, visit=visit, status=status, version=version + 1, at=said.astimezone(ZONE)
            ),
        ],
    )
    says = SessionSaid(who, "ehr", uid, on, told.technique, isocenters, done, said)
    return Message("ehr", dumps(body), said, (says,))


@functools.cache
def coded(
    setting: str,
    who: int,
    n: int,
    code: str,
    *,
    version: int = 0,
    units: int = 1,
    kind: str = "CG",
) -> Message:
    """The billing system's charge line of day n; `kind` CR or CD takes it back, CG again states it anew."""
    on = workday(n)
    said = _said(on, n, version) + timedelta(minutes=3)
    who_is = person(who)
    line = f"C{who}-{n}-{code}"
    stamp = said.astimezone(ZONE).strftime("%Y%m%d%H%M%S")
    fields = {
        1: "1",
        2: line,
        4: f"{on:%Y%m%d}101500",
        5: stamp,
        6: kind,
        7: f"L{code}",
        10: str(units),
        16: f"RADONC^^^{facility(setting)}",
        19: "C61^^I10C",
        25: f"{code}^^C4",
    }
    segments = (
        f"MSH|^~\\&|CHARGER|BAY|ONCO|BAY|{stamp}||DFT^P03^DFT_P03|{line}-{version}{kind}{units}|P|2.5.1",
        f"EVN|P03|{stamp}",
        f"PID|1||{who_is.mrn}^^^CLINIC^MR||{who_is.family}^{who_is.given}||{who_is.born:%Y%m%d}|{who_is.sex}",
        "|".join(["FT1", *(fields.get(i, "") for i in range(1, 26))]),
    )
    wire = "".join(f"{segment}\r" for segment in segments).encode()
    return Message("charges", wire, said, (CodedSaid(who, line, on, code, units, kind == "CG", said),))


@functools.cache
def registration(setting: str, who: int, *, version: int = 0, until: int | None = None) -> Message:
    """The patient with the first payer's policy; with `until` it ends on that treatment day and the second's begins."""
    said = _said(FIRST_DAY - timedelta(days=1), 0, version)
    begin = date(2025, 1, 1)
    end = None if until is None else workday(until)
    policies = [Policy("FIRST HEALTH", "First Health", "P1", "First", f"M1-{who}", "", begin, 1, end)]
    says = [CoverageSaid(who, "first", begin, end, 1, said)]
    if end is not None:
        after = end + timedelta(days=1)
        policies.append(Policy("SECOND HEALTH", "Second Health", "P2", "Second", f"M2-{who}", "", after, 1))
        says.append(CoverageSaid(who, "second", after, None, 1, said))
    wire = v2.registration(
        at=said.astimezone(ZONE),
        control_id=f"R{who}-{version}-{until}",
        person=person(who),
        policies=tuple(policies),
        facility=facility(setting),
        visit=f"R{who}",
    )
    return Message("rt", wire, said, tuple(says))


@functools.cache
def visit(setting: str, who: int, n: int) -> Message:
    """An examination during treatment, a weekly check, or (n below nought) the end of the course: no line of its own."""
    on = workday(max(n, 0))
    code = "RTEND" if n < 0 else "RTOTV" if n % 2 else "RTPHY"
    at = local(on, 18 if n < 0 else 11)
    radiation = v2.Radiation("C1", "Primary", "Plan1")
    activity = v2.Activity(code, f"{code}{who}-{n}", at, at, 1, PHYSICIAN, f"O{code}{who}-{n}", radiation)
    wire = v2.activities(
        at=at + timedelta(minutes=10),
        control_id=f"{code}{who}-{n}",
        person=person(who),
        facility=facility(setting),
        visit=f"V{code}{who}-{n}",
        attending=PHYSICIAN,
        diagnosis="C61",
        done=(activity,),
    )
    return Message("rt", wire, at.astimezone(UTC) + timedelta(minutes=10), ())


@functools.lru_cache(maxsize=20_000)
def readings(message: Message, setting: str) -> tuple[Reading, ...]:
    """What the program captures of the bytes, once for every message."""
    at = house(setting)
    feed = at.site.feed(message.feed)
    assert feed is not None
    dialect = at.rules.dialect(feed.dialect)
    if feed.media == "hl7v2":
        found = capture_v2(message.wire, feed=feed, dialect=dialect, message=message.id, received=message.at)
    else:
        found = capture_fhir(
            message.wire, feed=feed, dialect=dialect, message=message.id, received=message.at, zone=ZoneInfo(feed.zone)
        )
    assert isinstance(found, tuple)
    return tuple(Reading(message.id, message.at, captured=one) for one in found if one.person.known)


@functools.cache
def price(code: str) -> Decimal:
    """The fee table's price per unit, the same for whoever bills."""
    found: tuple[Price, ...] = house().site.prices
    return next(row.amount for row in found if row.code == code and not row.modifier)
