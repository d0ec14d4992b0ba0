"""Regimens through the real intake: orders by RDE^O11 and MedicationRequest, doses by RAS^O17, days that pass."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.model.record import PersonRecord, Tick
from adapters.pipeline import House
from adapters.pipeline.expecting import FINDINGS
from adapters.work import MISSED_DOSE
from tests.intake.live import SYSTEM, live, told, v2
from tests.intake.live import tick as live_tick


@pytest.fixture(scope="module")
def house() -> House:
    return live()


def rde(number: str, cycle_day: int, on: str, control: str = "NW", interval: str = "") -> bytes:
    """An order of 300 mg for nine o'clock."""
    return v2(
        "RDE^O11^RDE_O11",
        f"rde-{number}-{control}",
        "202605010800" if control == "NW" else "202605060800",
        f"ORC|{control}|{number}",
        "RXE||DRUGA^drug A^L^J9267^^HCPCS|300||mg",
        f"TQ1|1||{interval}||||{on}0900",
        "RXR|IV",
        "OBX|1|ST|CYCLE||2",
        f"OBX|2|ST|DAY||{cycle_day}",
    )


def ras(number: str, on: str) -> bytes:
    return v2(
        "RAS^O17^RAS_O17",
        f"ras-{number}-{on}",
        f"{on}1200",
        "PV1|1|O|INF^^^place||||||||||||||||V-1",
        f"ORC|RE|{number}",
        f"RXA|0|1|{on}0900|{on}1000|DRUGA^drug A^L^J9267^^HCPCS|300|mg|||||||||||||CP|A",
        "RXR|IV|||IVPB",
        "OBX|1|ST|WASTE||0|mg",
    )


def request(number: str, status: str = "active", **timing: Any) -> bytes:
    """A MedicationRequest for nine o'clock on the fifth of May, as a Bundle."""
    resource = {
        "resourceType": "MedicationRequest",
        "id": f"mr-{number}",
        "meta": {"lastUpdated": "2026-05-01T08:00:00-04:00" if status == "active" else "2026-05-06T08:00:00-04:00"},
        "identifier": [{"type": {"coding": [{"code": "PLAC"}]}, "system": "urn:clinic:orders", "value": number}],
        "status": status,
        "intent": "order",
        "medicationCodeableConcept": {
            "coding": [{"system": "urn:oid:2.16.840.1.113883.6.285", "code": "J9267"}],
            "text": "drug A",
        },
        "subject": {"identifier": {"system": SYSTEM, "value": "R-1"}},
        "extension": [
            {"url": "urn:clinic:cycle", "valueInteger": 2},
            {"url": "urn:clinic:cycle-day", "valueInteger": 8},
        ],
        "dosageInstruction": [
            {
                "timing": {"event": ["2026-05-05T09:00:00-04:00"], **timing},
                "route": {"coding": [{"system": "http://snomed.info/sct", "code": "47625008"}]},
                "doseAndRate": [{"doseQuantity": {"value": 300, "unit": "mg"}}],
            }
        ],
    }
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": resource}]}).encode()


def tick(day: int, hour: int = 20) -> Tick:
    return live_tick(2026, 5, day, hour)


def missed(record: PersonRecord) -> list[tuple[str, bool]]:
    return [(item.detail, item.closed is None) for item in record.work if item.kind == MISSED_DOSE]


def remarked(record: PersonRecord) -> list[str]:
    return sorted(one.kind for one in record.findings if one.kind in FINDINGS)


def test_an_order_by_hl7_v2_is_missed_after_its_day_and_settled_by_its_dose(house: House) -> None:
    record = told(PersonRecord("p1"), house, tick(1), rde("O-1", 1, "20260504"), rde("O-2", 8, "20260511"))
    assert (missed(record), remarked(record)) == ([], [])
    record = told(record, house, tick(9, 1))
    detail = "drug A, cycle 2, cycle day 1, ordered for 2026-05-04, and nothing is reported"
    assert (missed(record), remarked(record)) == ([(detail, True)], ["missed-dose"])
    record = told(record, house, tick(10), ras("O-1", "20260505"))
    assert (missed(record), remarked(record)) == ([(detail, False)], [])
    record = told(record, house, tick(16))
    assert [open_ for _, open_ in missed(record)] == [False, True]
    record = told(record, house, tick(16), rde("O-2", 8, "20260511", "CA"))
    assert ([open_ for _, open_ in missed(record)], remarked(record)) == ([False, False], [])


def test_an_order_by_fhir_answered_by_a_dose_by_hl7_v2(house: House) -> None:
    record = told(PersonRecord("p1"), house, tick(10), request("O-9"))
    assert remarked(record) == ["missed-dose"]
    assert missed(record)[0][0].startswith("drug A, cycle 2, cycle day 8, ordered for 2026-05-05")
    given = told(record, house, tick(10), ras("O-9", "20260505"))
    assert (remarked(given), missed(given)[0][1]) == ([], False)
    revoked = told(record, house, tick(10), request("O-9", "revoked"))
    assert (remarked(revoked), missed(revoked)[0][1]) == ([], False)


def test_orders_of_several_doses_are_told_as_such(house: House) -> None:
    several = rde("O-1", 1, "20260504", interval="Q6H")
    assert remarked(told(PersonRecord("p1"), house, tick(9), several)) == []
    once = rde("O-1", 1, "20260504", interval="Once")
    assert remarked(told(PersonRecord("p1"), house, tick(9), once)) == ["missed-dose"]
    daily = request("O-9", repeat={"frequency": 1, "period": 1, "periodUnit": "d"})
    assert remarked(told(PersonRecord("p1"), house, tick(9), daily)) == []
    single = request("O-9", repeat={"count": 1, "frequency": 1})
    assert remarked(told(PersonRecord("p1"), house, tick(9), single)) == ["missed-dose"]
