"""A dose that was ordered and never came: `run-due` puts it on the work list five days later, a late report takes it off."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.system

FEED = """
[[feeds]]
name = "doses"
media = "hl7v2"
dialect = "example-ras"
zone = "America/New_York"
facility = "PLOVER"
applications = ["PINF"]
person_system = "urn:plover:mrn"

[[prices]]
code = "J9267"
amount = 2.50
from = 2020-01-01
"""


def message(kind: str, number: str, *segments: str) -> bytes:
    head = f"MSH|^~\\&|PINF|PLOVER|ONCO|PLOVER|20260501080000||{kind}|{number}|P|2.5.1"
    return "".join(f"{line}\r" for line in (head, "PID|1||PB-100^^^PLOVER^MR||Sandling^Merle", *segments)).encode()


ORDER = message(
    "RDE^O11^RDE_O11",
    "1",
    "ORC|NW|O-1",
    "TQ1|1||||||202605040900",
    "RXE||DRUGA^drug A^L^J9267^^HCPCS|300||mg",
    "RXR|IV",
    "OBX|1|ST|CYCLE||3",
    "OBX|2|ST|DAY||1",
)
DOSE = message(
    "RAS^O17^RAS_O17",
    "2",
    "PV1|1|O|PLOVER",
    "ORC|RE|O-1",
    "RXA|0|1|202605040900|202605041000|DRUGA^drug A^L^J9267^^HCPCS|300|mg|||||||||||||CP|A",
    "RXR|IV|||IVPB",
)


def missed(clinic: Any) -> list[tuple[str, str]]:
    return [
        (row["amount"], row["detail"]) for row in clinic("worklist", "--json").rows() if row["kind"] == "missed-dose"
    ]


def test_an_ordered_dose_that_never_came_is_work_five_days_after_its_day(clinic: Any) -> None:
    site = clinic.folder / "site.toml"
    site.write_text(site.read_text(encoding="utf-8") + FEED, encoding="utf-8")
    clinic.file("order.hl7", ORDER)
    clinic.file("dose.hl7", DOSE)
    assert clinic("ingest", "order.hl7", "--now", "2026-05-01T12:00:00Z").code == 0
    assert clinic("run-due", "--now", "2026-05-09T03:59:00Z").code == 0
    assert missed(clinic) == []
    assert clinic("run-due", "--now", "2026-05-09T04:01:00Z").code == 0
    detail = "drug A, cycle 3, cycle day 1, ordered for 2026-05-04, and nothing is reported"
    assert missed(clinic) == [("750.00", detail)]
    assert clinic("run-due", "--now", "2026-05-10T12:00:00Z").code == 0
    assert missed(clinic) == [("750.00", detail)]
    assert clinic("ingest", "dose.hl7", "--now", "2026-05-10T13:00:00Z").code == 0
    assert missed(clinic) == []
