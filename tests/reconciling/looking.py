"""A clinic's record looked at by the reconciliation, and the charges that its EHR coded."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from adapters.model.event import Event
from adapters.model.reconciliation import Detection, Difference, Row
from adapters.model.record import PersonRecord
from adapters.model.site import Family, Mode
from adapters.pipeline import House
from adapters.pipeline.stated import assembled
from adapters.pipeline.step import family_by, person_contexts
from adapters.reconciling import Desk, Share, reconcile_record
from tests.model.clinic import background, fed, house, moment, report

EVER = (date(2000, 1, 1), date(2099, 12, 31))
SINCE = date(2020, 1, 1)


def coded(code: str, day: str, **more: object) -> Event:
    """A charge line of the clinic's EHR."""
    return report("coded-charge", day, code=code, **more)  # type: ignore[arg-type]


def comparing(*services: str, mode: Mode = Mode.COMPARE, setting: str = "freestanding", **more: object) -> House:
    """A clinic whose EHR codes these families too."""
    families = tuple(Family(service, mode, SINCE) for service in services)
    return house(setting, families=families, **more)


def shared(record: PersonRecord, at: House, today: str, span: tuple[date, date] = EVER) -> Share:
    """The record reconciled as it stands on a day."""
    assembly = assembled(record.person, record.events, family_by(at))
    desk = Desk(person_contexts(assembly, at), at.rules, at.prices)
    return reconcile_record(record, assembly, desk, *span, date.fromisoformat(today))


def looked(events: Iterable[Event], at: House, today: str) -> Share:
    """The record of these events reconciled on a day, on whose evening it was stepped."""
    return shared(fed([*background(), *events], at, moment(today)), at, today)


def fired(events: Iterable[Event], at: House, today: str, detector: str) -> list[Detection]:
    """What one detector says."""
    return [one for one in looked(events, at, today).detections if one.detector == detector]


def told(events: Iterable[Event], at: House, today: str, detector: str) -> list[tuple[str, str, int]]:
    """What one detector says: side, day, amount."""
    return [(d.side.value, d.day.isoformat(), d.amount) for d in fired(events, at, today, detector)]


def row_of(share: Share, name: str, day: str = "") -> Row:
    """The one row of that name (and day)."""
    (row,) = (r for r in share.rows if r.name == name and day in ("", r.day.isoformat()))
    return row


def marks(row: Row) -> str:
    """The six stages of a row: `+` yes, `!` no, `.` not due."""
    return "".join({"yes": "+", "no": "!", "not-due": "."}[mark.mark.value] for mark in row.stages)


def named(row: Row) -> list[str]:
    """The names of a row's differences."""
    return [difference.name for difference in row.differences]


def only(row: Row) -> Difference:
    """The one difference of a row."""
    (difference,) = row.differences
    return difference
