"""An invented clinic for the benchmarks: a course of forty fractions, and a day's mix of messages over forty persons.

The courses are told by the stub's own writer of messages; what it has no words for (scheduling, administrations, coded
charges) is written here. Everything follows from one seed, and nobody in it exists.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from importlib import resources
from random import Random
from zoneinfo import ZoneInfo

from _common import SEED

from adapters.hl7v2.capture import Refused, capture
from adapters.model.event import Event
from adapters.model.record import Captured, PersonRecord, Reading, Tick
from adapters.pipeline import House, step
from adapters.settings import read_site, rules_of
from fhir_server_stub.course import Person, Policy, Script, Session, Setting, Visit
from fhir_server_stub.story import tell

ZONE = ZoneInfo("America/New_York")
FIRST_DAY = date(2026, 1, 12)
_FAMILIES = ("Ottermole", "Vandersee", "Quillon", "Abernethy-Roe", "Tamsin", "Okonjo", "Brightwater", "Lindqvist")
_GIVEN = ("Perpetua", "Anselm", "Ingrid", "Casimir", "Odalys", "Thaddeus", "Marisol", "Benedek")
_CODED = (("77263", ""), ("77300", ""), ("77334", "26"), ("77290", "26"), ("77370", ""), ("77336", ""))
_CODED_FEED = """
[[feeds]]
name = "charges"
media = "hl7v2"
dialect = "plain-dft"
zone = "America/New_York"
facility = "MAIN"
applications = ["CHARGER"]
person_system = "urn:clinic:mrn"
person_aliases = { CLINIC = "urn:clinic:mrn" }
"""


@dataclass(frozen=True, slots=True)
class Told:
    """A message of HL7 v2 with the instant at which it leaves and the feed that it is for."""

    at: datetime
    body: bytes
    feed: str = "mosaiq"


def site_text() -> str:
    """The demo's site file with one more feed, of charges that are coded already."""
    return _demo("site.toml") + _CODED_FEED


def fees_text() -> str:
    """The demo's fee table."""
    return _demo("fees.csv")


def _demo(name: str) -> str:
    # By way of the package above: importing the demo itself would load every server and listener.
    return resources.files("adapters").joinpath("demo", name).read_text(encoding="utf-8")


def house() -> House:
    """The rules of the package and that site."""
    rules = rules_of()
    return House.of(rules, read_site(site_text(), "site.toml", rules, fees_text()))


def person(number: int) -> Person:
    """Invented person of that number."""
    return Person(
        mrn=f"MR{700_000 + number}",
        family=f"{_FAMILIES[number % 8]}{chr(97 + number // 8 % 26)}",
        given=_GIVEN[number * 3 % 8],
        born=date(1940 + number % 40, 1 + number % 12, 1 + number % 28),
        sex="F" if number % 2 else "M",
    )


def weekdays(count: int) -> list[date]:
    """So many treatment days from the first one on."""
    days = [FIRST_DAY + timedelta(days=n) for n in range(count * 2 + 7)]
    return [day for day in days if day.weekday() < 5][:count]


def course(fractions: int, number: int = 0, *, ended: bool = True, setting: Setting = "hospital") -> tuple[Told, ...]:
    """A guided IMRT course of a person, from registration to its end, as the messages of the radiation-oncology system.

    Each fraction is two messages, the session and the review of its image; weekly visits and physics checks, one plan.
    In a hospital two entities bill each session, in a freestanding centre one does.
    """
    days = weekdays(fractions)
    sessions = tuple(_session(n, day) for n, day in enumerate(days, 1))
    weekly = [sessions[i].start for i in range(2, fractions, 5)]
    plan = days[0] - timedelta(days=4)
    script = Script(
        tag=f"B{number:04d}",
        setting=setting,
        payer_kind="medicare",
        person=person(number),
        policies=(
            Policy("MCRB", "Medicare Part B", "MCRB", "Medicare Part B", f"1BB{number:07d}", "", date(2020, 1, 1)),
        ),
        diagnosis="C61",
        course="C1",
        phase="Primary",
        plan="Plan1",
        technique="imrt",
        planned_fractions=fractions,
        isocenters=1,
        registered_at=_at(plan - timedelta(days=7), 8, 30),
        simulation=_at(plan - timedelta(days=7), 10),
        planning=_at(plan - timedelta(days=7), 13),
        plan_approved=_at(plan, 14),
        calculations=5,
        device="mlc",
        devices=1,
        sessions=sessions,
        visits=tuple(Visit(at + timedelta(minutes=40), "mllp") for at in weekly),
        physics=tuple(at + timedelta(hours=3) for at in weekly),
        ended_at=_at(days[-1], 18, 30),
    )
    story = tell(script)
    last = story.messages if ended else story.messages[:-1]
    return tuple(Told(message.at, message.wire) for message in last)


def _at(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), ZONE)


def _session(number: int, day: date) -> Session:
    start = _at(day, 9, number % 12 * 5)
    return Session(
        number=number,
        start=start,
        end=start + timedelta(minutes=12),
        channels=("mllp",),
        technique="imrt",
        isocenters=1,
        guidance="cbct",
        reported_at=start + timedelta(minutes=20),
        reviewed_at=start + timedelta(hours=4),
    )


# ---------------------------------------------------------------- reading and stepping without a store


def message_id(body: bytes) -> str:
    """The journal id that a benchmark gives to a message: from its bytes."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, hashlib.sha256(body).hexdigest()))


def readings(told: Sequence[Told], house: House) -> tuple[Reading, ...]:
    """The messages read, as a lane of one person takes them."""
    found = []
    for message in told:
        id = message_id(message.body)
        at = message.at.astimezone(UTC)
        found += [Reading(id, at, captured=captured) for captured in captured_of(message, house)]
    return tuple(found)


def captured_of(message: Told, house: House) -> tuple[Captured, ...]:
    """What a message says; a message that is refused is a mistake of the generator."""
    feed = house.site.feed(message.feed)
    assert feed is not None
    dialect = house.rules.dialect(feed.dialect)
    said = capture(message.body, feed=feed, dialect=dialect, message=message_id(message.body), received=message.at)
    assert not isinstance(said, Refused), said
    return said


def events_of(found: Sequence[Reading]) -> tuple[Event, ...]:
    """All events that the readings bring."""
    return tuple(event for reading in found if reading.captured for event in reading.captured.events)


def stepped(found: Sequence[Reading], house: House, at: datetime, record: PersonRecord | None = None) -> PersonRecord:
    """A record after one step with all these readings."""
    tick = Tick(at.astimezone(UTC), at.astimezone(ZONE).date())
    return step(record or PersonRecord("person"), found, house, tick)


# ---------------------------------------------------------------- the day's mix


def mix(persons: int, each: int, *, sessions_before: int) -> tuple[list[Told], list[Told]]:
    """(what is on file before, the mix): every person is registered and planned and has had so many sessions.

    Of the mix 60 % are registration and scheduling, 30 % sessions (with their reviews) and administrations, 10 % coded
    charges; `each` messages a person, in an order drawn from the seed that keeps every person's own order.
    """
    before: list[Told] = []
    queues: list[list[Told]] = []
    clinical = each * 3 // 10
    administrations = clinical // 3
    # A session is told by two messages and the rest of its week comes with it, so this is more than enough.
    fractions = sessions_before + clinical
    for number in range(persons):
        told = course(fractions, number, ended=False)
        since = datetime.combine(weekdays(fractions)[sessions_before], time.min, ZONE)
        before += [message for message in told if message.at < since]
        ahead = [message for message in told if message.at >= since][: clinical - administrations]
        own = [
            *ahead,
            *(_administration(number, n, since) for n in range(administrations)),
            *(_coded(number, n, since) for n in range(each // 10)),
            *(_registered(number, n, since) for n in range((each * 6 // 10) // 2)),
            *(_scheduled(number, n, since) for n in range(each * 6 // 10 - (each * 6 // 10) // 2)),
        ]
        assert len(own) == each, f"{len(own)} messages instead of {each}"
        queues.append(_shuffled(own, len(ahead), number))
    return sorted(before, key=lambda message: message.at), _dealt(queues)


def _shuffled(own: list[Told], in_order: int, number: int) -> list[Told]:
    """All in a drawn order, but the course's own messages in theirs."""
    dice = Random(SEED + number)
    order = list(range(len(own)))
    dice.shuffle(order)
    course_places = iter(range(in_order))
    return [own[next(course_places)] if i < in_order else own[i] for i in order]


def _dealt(queues: list[list[Told]]) -> list[Told]:
    dice = Random(SEED)
    waiting = [list(reversed(queue)) for queue in queues]
    order = [n for n, queue in enumerate(queues) for _ in queue]
    dice.shuffle(order)
    return [waiting[n].pop() for n in order]


def _message(*segments: str) -> bytes:
    return ("\r".join(segments) + "\r").encode("ascii")


def _msh(application: str, kind: str, control: str, at: datetime) -> str:
    return f"MSH|^~\\&|{application}|RADONC|ONCOCLAIMS|BILLING|{at:%Y%m%d%H%M%S}||{kind}|{control}|P|2.5.1"


def _pid(number: int) -> str:
    who = person(number)
    return (
        f"PID|1||{who.mrn}^^^CLINIC^MR||{who.family}^{who.given}||{who.born:%Y%m%d}|{who.sex}|||"
        f"{100 + number} Harbor Lane^^Northport^NY^117{number % 90 + 10}"
    )


def _registered(number: int, n: int, since: datetime) -> Told:
    """ADT^A08 or A04 with the same coverage as ever: what most registration messages say is nothing new."""
    at = since + timedelta(hours=n, minutes=number)
    trigger = "A08" if n % 3 else "A04"
    return Told(
        at,
        _message(
            _msh("MOSAIQ", f"ADT^{trigger}^ADT_A01", f"A{number:03d}-{n:03d}", at),
            f"EVN|{trigger}|{at:%Y%m%d%H%M%S}",
            _pid(number),
            f"PV1|1|O|RADONC^TX1^^MAIN||||1999999901^Ardenne^Mira^^^^^^NPI^L^^^NPI||||||||||||R{number:03d}{n:03d}",
            f"IN1|1|MCRB^Medicare Part B^L|MCRB|Medicare Part B||||||||20200101||||"
            f"{person(number).family}^{person(number).given}|SEL|{person(number).born:%Y%m%d}||||1|||||||||||||||1BB{number:07d}",
        ),
    )


def _scheduled(number: int, n: int, since: datetime) -> Told:
    """SIU^S12: a booking."""
    at = since + timedelta(hours=n, minutes=number, seconds=20)
    slot = at + timedelta(days=2)
    return Told(
        at,
        _message(
            _msh("MOSAIQ", "SIU^S12^SIU_S12", f"S{number:03d}-{n:03d}", at),
            f"SCH|B{number:03d}{n:03d}|||||ROUTINE^Routine^HL70276|TREAT^Treatment^L||15|min|"
            f"^^15^{slot:%Y%m%d%H%M%S}||||||||||||||BOOKED",
            _pid(number),
            f"PV1|1|O|RADONC^TX1^^MAIN||||||||||||||||S{number:03d}{n:03d}",
            "RGS|1|A",
            f"AIS|1|A|TREAT^Treatment^L|{slot:%Y%m%d%H%M%S}|||15|min",
            "AIL|1|A|RADONC^TX1^^MAIN",
        ),
    )


def _administration(number: int, n: int, since: datetime) -> Told:
    """RAS^O17: a drug given."""
    at = since + timedelta(days=n, hours=2, minutes=number)
    return Told(
        at,
        _message(
            _msh("MOSAIQ", "RAS^O17^RAS_O17", f"R{number:03d}-{n:03d}", at),
            _pid(number),
            f"PV1|1|O|INFUSION^C{number % 12}^^MAIN",
            f"ORC|RE|O{number:03d}{n:03d}^PHARM|||||||{at:%Y%m%d%H%M%S}",
            f"RXA|0|1|{at:%Y%m%d%H%M%S}|{at + timedelta(minutes=30):%Y%m%d%H%M%S}|J2405^Antiemetic injection^HCPCS|8|mg||"
            "|1999999901^Ardenne^Mira|INFUSION||||LOT7731|||||CP|A",
            "RXR|IV^Intravenous^HL70162",
        ),
    )


def _coded(number: int, n: int, since: datetime) -> Told:
    """DFT^P03 of a system that has coded: a charge line with CPT number, modifier and diagnosis."""
    at = since + timedelta(days=n, hours=5, minutes=number)
    code, modifier = _CODED[(number + n) % len(_CODED)]
    fields = {
        1: "1",
        2: f"C{number:03d}-{n:03d}",
        4: f"{at:%Y%m%d%H%M%S}",
        6: "CG",
        7: f"CDM{code}^Charge^L",
        10: "1",
        16: "RADONC^TX1^^MAIN",
        19: "C61^^I10C",
        20: "1999999901^Ardenne^Mira^^^^^^NPI^L^^^NPI",
        25: f"{code}^^C4",
        26: modifier,
    }
    line = "|".join(["FT1", *(fields.get(i, "") for i in range(1, 27))])
    return Told(
        at,
        _message(
            _msh("CHARGER", "DFT^P03^DFT_P03", f"C{number:03d}-{n:03d}", at),
            f"EVN|P03|{at:%Y%m%d%H%M%S}",
            _pid(number),
            line,
        ),
        "charges",
    )


def coded_sheet(lines: int) -> Told:
    """One DFT^P03 with so many coded charge lines: what the readers are compared on."""
    at = _at(FIRST_DAY, 17)
    first = _coded(1, 0, at).body.decode("ascii").split("\r")
    head, ft1 = first[:3], first[3]
    sheet = [*head]
    for n in range(1, lines + 1):
        code, modifier = _CODED[n % len(_CODED)]
        fields = ft1.split("|")
        fields[1], fields[2], fields[7], fields[25], fields[26] = (
            str(n),
            f"C001-{n:03d}",
            f"CDM{code}^Charge^L",
            f"{code}^^C4",
            modifier,
        )
        sheet.append("|".join(fields))
    return Told(at, _message(*sheet), "charges")


def shifted(told: Told, number: int) -> Told:
    """The message under another control id: other bytes, the same content."""
    old = told.body.split(b"|", 10)[9]
    return replace(told, body=told.body.replace(old, old + b"-%06d" % number, 1))
