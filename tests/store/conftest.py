"""Stores to test, and an invented person: a radiation course of any length as a record."""

from __future__ import annotations

import hashlib
import pathlib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest

from adapters.model.charge import Charge, Component, Finding, Hold, Release, Skip, Slot
from adapters.model.claim import Claim, ClaimLine, ClaimOnFile, ClaimState, ClaimType, Party
from adapters.model.event import Event
from adapters.model.journal import JournalKind
from adapters.model.ledger import Account, Entry, EntryLine
from adapters.model.people import Identifier
from adapters.model.record import ChargeOnFile, ChargeStatus, Due, PersonRecord
from adapters.model.remittance import Adjustment, Decision, Remittance, RemittanceLine
from adapters.model.why import Fact, RuleRef, Source, Why
from adapters.model.work import WorkItem
from adapters.ports import Receipt
from adapters.store import KeyRing, SqlStore, open_store

NOW = datetime(2026, 3, 2, 15, 30, 0, 123456, tzinfo=UTC)
FAMILY, MRN, MEMBER = "Quillfeather", "MRN-7741093", "MBR55512Q"
RULE = RuleRef("delivery", "charges/radiation.toml", date(2026, 1, 1), "ab" * 32, "CY 2026 PFS final rule")


def digest(body: bytes) -> str:
    """SHA-256 as a receipt carries it."""
    return hashlib.sha256(body).hexdigest()


def receipt(
    body: bytes = b"MSH|1", control: str = "C1", sender: str = "ARIA|NORTH", channel: str = "mllp", **more: object
) -> Receipt:
    """A receipt with the digest of its body."""
    values = {
        "kind": JournalKind.MESSAGE,
        "channel": channel,
        "sender": sender,
        "actor": "feed:aria",
        "media": "hl7v2",
        "control": control,
        "digest": digest(body),
        "body": body,
        "answer": b"ACK of " + body[:20],
        "at": NOW,
    }
    return Receipt(**{**values, **more})


def uid(*parts: object) -> str:
    """An id that is the same for the same parts."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "|".join(map(str, parts))))


def event(n: int, message: str = "m", person: str = "p") -> Event:
    """A treatment session on its day, with the facts a feed sends."""
    day = date(2026, 1, 5) + timedelta(days=n)
    start = datetime(day.year, day.month, day.day, 15, 0, tzinfo=UTC)
    facts = (
        ("n", str(n)), ("uid", uid("uid", n)), ("phase", "P1"), ("plan", "PLAN-A"), ("modality", "photon"),
        ("technique", "imrt"), ("isocenters", "1"), ("guidance", "cbct"), ("diagnosis", "C50.412"),
        ("by.role", "radiation-oncologist"), ("facility", "north"), ("family", FAMILY),
    )  # fmt: skip
    return Event(
        id=uid("event", person, n, message),
        kind="fraction",
        feed="aria",
        start=start,
        day=day,
        said=start + timedelta(minutes=20),
        line=f"FT1-{n}",
        source=Source(message, f"FT1[{n}]"),
        end=start + timedelta(minutes=15),
        course="C1",
        keys=(f"uid:{uid('uid', n)}",),
        facts=tuple(Fact(name, value, Source(message, f"FT1[{n}]-{i}")) for i, (name, value) in enumerate(facts)),
    )


def why(of: Event) -> Why:
    """A reason that looked at all facts of the event."""
    return Why(RULE, of.facts)


def charge(of: Event, service: str = "delivery", code: str = "77385", **more: object) -> ChargeOnFile:
    """A charge that rests on the event."""
    slot = Slot("p|C1", service, of.value("uid"), "clinic:technical")
    made = Charge(
        slot,
        code,
        ("TC",),
        1,
        Decimal("412.3350"),
        of.day,
        of.day,
        ("C50.412",),
        Component.TECHNICAL,
        "clinic",
        why(of),
    )
    return replace(ChargeOnFile(uid("charge", of.id, service), made), **more)


def claim(person: str, charges: tuple[ChargeOnFile, ...], n: int = 1) -> ClaimOnFile:
    """A claim of these charges."""
    party = Party("clinic", "North Clinic", npi="1234567893")
    lines = tuple(
        ClaimLine(i, (c.id,), c.charge.code, ("TC",), 1, c.charge.start, c.charge.end, 41234, (1,), "technical")
        for i, c in enumerate(charges, start=1)
    )
    made = Claim(
        uid("claim", person, n), ClaimType.PROFESSIONAL, person, MRN, party, party, "cov-1", MEMBER, lines, ("C50.412",),
        date(2026, 2, 1), party, family=FAMILY, given="Odalys", birth_date=date(1960, 7, 9),
    )  # fmt: skip
    return ClaimOnFile(made, ClaimState.READY)


def entry(person: str, n: int, amount: int = 41234) -> Entry:
    """A balanced ledger entry."""
    of = uid("claim", person, 1)
    lines = (EntryLine(Account.RECEIVABLE, amount, of, 1), EntryLine(Account.CHARGES, -amount, of, 1))
    return Entry(uid("entry", person, n), NOW + timedelta(seconds=n), f"claim:{of}", lines)


def work(person: str, n: int, **more: object) -> WorkItem:
    """An open work item."""
    item = WorkItem(
        uid("work", person, n), "hold", "no-coverage", uid("about", n), "front-desk", "ask for the card",
        date(2026, 4, 1) + timedelta(days=n), 41234, NOW, person,
    )  # fmt: skip
    return replace(item, **more)


def course(person: str, fractions: int, identifiers: tuple[Identifier, ...] = ()) -> PersonRecord:
    """A course as it stands after so many fractions: delivery and guidance each, one claim, one payment."""
    events = tuple(event(n, uid("message", n), person) for n in range(fractions))
    extra = tuple(
        replace(event(n, uid("context", n), person), kind="encounter", id=uid("context", person, n))
        for n in range(fractions)
    )
    charges = tuple(c for e in events for c in (charge(e), charge(e, "guidance", "77014")))
    billed = claim(person, charges[:10])
    payment = Remittance(
        uid("remittance", person), billed.claim.id, Decision.ADJUDICATED, "PCN-1", MEMBER,
        (RemittanceLine(1, 41234, 30000, (Adjustment("CO", "45", 11234),)),), message=uid("answer", person),
    )  # fmt: skip
    return PersonRecord(
        person,
        identifiers,
        tuple(e for pair in zip(events, extra, strict=True) for e in pair),
        tuple(replace(c, status=ChargeStatus.CLAIMED, claim=billed.claim.id) for c in charges[:10]) + charges[10:],
        tuple(Hold(c.charge.slot, "missing-order", Release.PERSON, c.charge, c.charge.why) for c in charges[-2:]),
        tuple(Skip(e.id, "context", why(e)) for e in extra),
        (Finding("duplicate-suppressed", events[0].id, why(events[0])),) if events else (),
        (billed,),
        (payment,),
        tuple(entry(person, n) for n in range(2)),
        (work(person, 1),),
        (Due("claim", billed.claim.id, NOW + timedelta(days=3)),),
    )


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """The builders above."""
    return SimpleNamespace(
        receipt=receipt, digest=digest, uid=uid, event=event, why=why, charge=charge, claim=claim, entry=entry,
        work=work, course=course, NOW=NOW, FAMILY=FAMILY, MRN=MRN, MEMBER=MEMBER,
    )  # fmt: skip


class StillClock:
    """A clock that stands still."""

    def now(self) -> datetime:
        """Always the same instant."""
        return NOW


@pytest.fixture
def keys() -> KeyRing:
    """A ring that is the same in every test."""
    return KeyRing.ephemeral("tests")


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: pathlib.Path, keys: KeyRing) -> Iterator[SqlStore]:
    """Every store there is, empty: the contract is the same for all."""
    url = "sqlite://" if request.param == "memory" else f"sqlite:///{tmp_path}/store.db"
    with open_store(url, keys, StillClock(), create=True) as opened:
        yield opened
        # Whatever a test did, what is stored is whole.
        assert opened.verify() == ()


@pytest.fixture
def database(tmp_path: pathlib.Path) -> pathlib.Path:
    """Where `file_store` keeps its database."""
    return tmp_path / "store.db"


@pytest.fixture
def open_file(database: pathlib.Path, keys: KeyRing) -> Callable[..., SqlStore]:
    """Opens the store of `database`, made if new."""

    def opened(**more: object) -> SqlStore:
        return open_store(f"sqlite:///{database}", keys, StillClock(), **{"create": True, **more})

    return opened
