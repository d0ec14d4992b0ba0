"""From FHIR to charges: what a later version takes back, sessions known by counts, charges that another system coded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.model.record import ChargeStatus, PersonRecord, Reading, Tick
from adapters.pipeline import House, step
from adapters.rules.dialect import Dialect
from tests.fhir.said import DIALECT, PAYER, Json, bundle, course, coverage, fraction, patient, read
from tests.fhir.test_resources import charge
from tests.fhir.test_summaries import version
from tests.model import clinic

NOW = datetime(2026, 2, 20, 15, tzinfo=UTC)


PART = [{"reference": "Procedure/c1"}]
BEFORE = bundle(
    patient(),
    PAYER,
    coverage(period={"start": "2026-01-01"}),
    course(status="in-progress", performedPeriod={"start": "2026-01-05"}),
)


def due(messages: Sequence[Json], dialect: Dialect = DIALECT, at_once: bool = False) -> list[tuple[str, str]]:
    """(day, code) of the charges due after these messages, each worked before the next one comes or all at once."""
    site = clinic.site("freestanding", options={})
    named = {"first": ("60054",), "second": ()}
    house = House.of(clinic.rules(), replace(site, payers=tuple(replace(p, aliases=named[p.id]) for p in site.payers)))
    readings = []
    for n, body in enumerate([BEFORE, *messages]):
        found = read(body, message=f"m{n}", dialect=dialect)
        readings += [Reading(f"m{n}", NOW, captured=captured) for captured in found]
    record = PersonRecord("p")
    for those in [readings] if at_once else [[reading] for reading in readings]:
        record = step(record, those, house, Tick(NOW, NOW.date()))
    on_file = [c.charge for c in record.charges if c.status is not ChargeStatus.VOID]
    return sorted((c.start.isoformat(), c.code) for c in on_file)


def later(minute: int, **changes: Any) -> Json:
    return fraction(meta={"lastUpdated": f"2026-01-06T10:{minute:02}:00-06:00"}, partOf=PART, **changes)


DELIVERY = ("2026-01-05", "77407")


def test_a_completed_fraction_is_charged_once_however_often_it_is_said() -> None:
    assert DELIVERY in due([later(1)])
    assert due([later(1), later(2, note=[{"text": "corrected"}])]) == due([later(1)])


@pytest.mark.parametrize("status", ["entered-in-error", "not-done", "unknown"])
@pytest.mark.parametrize("at_once", [False, True])
def test_what_takes_a_completed_fraction_back(status: str, at_once: bool) -> None:
    back = later(2, status=status)
    assert DELIVERY not in due([later(1), back], at_once=at_once)
    assert DELIVERY not in due([back, later(1)], at_once=at_once), "the order of arrival plays no part"
    assert DELIVERY in due([later(1), back, later(3)], at_once=at_once), "and completed again is charged again"


def test_sessions_known_by_counts_are_charged_and_taken_back() -> None:
    by_phase = replace(DIALECT, sessions_from="phase")
    three = [version(n, 4 + n, partOf=PART) for n in (1, 2, 3)]
    days = [day for day, code in due(three, by_phase) if code == "77407"]
    assert days == ["2026-01-05", "2026-01-06", "2026-01-07"]
    two = version(2, 6, partOf=PART, meta={"lastUpdated": "2026-01-12T12:00:00-06:00"})
    assert [day for day, code in due([*three, two], by_phase) if code == "77407"] == ["2026-01-05", "2026-01-06"]


def test_a_coded_charge_is_billed_and_taken_back() -> None:
    """Without context it belongs to the person's only course, of which a session is known."""
    coded = charge(
        code={"coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": "77370"}]}, quantity={"value": 1}
    )
    told = ("2026-01-09", "77370")
    first = coded | {"meta": {"lastUpdated": "2026-01-31T10:00:00Z"}}
    back = coded | {"status": "entered-in-error", "meta": {"lastUpdated": "2026-02-01T10:00:00Z"}}
    assert told in due([later(1), first])
    assert told not in due([later(1), first, back])
    assert told not in due([later(1), back, first])
