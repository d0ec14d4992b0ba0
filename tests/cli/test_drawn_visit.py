"""`explain ID --svg FILE`: the picture of the visit that a charge or a hold is of, as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

pytestmark = pytest.mark.system

MORE = """
[[feeds]]
name = "doses"
media = "hl7v2"
dialect = "example-ras"
zone = "America/New_York"
facility = "PLOVER"
applications = ["PINF"]
person_system = "urn:plover:mrn"

[[prices]]
code = "96413"
amount = 300.00
from = 2020-01-01

[[prices]]
code = "96415"
amount = 100.00
from = 2020-01-01
"""


def dose(number: str, name: str, start: str, end: str) -> bytes:
    """One chemotherapy infusion of an invented person; without an end where none is said."""
    return "".join(
        f"{line}\r"
        for line in (
            f"MSH|^~\\&|PINF|PLOVER|ONCO|PLOVER|20260504200000||RAS^O17^RAS_O17|{number}|P|2.5.1",
            "PID|1||PB-100^^^PLOVER^MR||Sandling^Merle||19520417|F",
            "PV1|1|O|PLOVER||||||||||||||||V-9",
            f"ORC|RE||O-{number}",
            f"RXA|0|1|20260504{start}|{'20260504' + end if end else ''}|{name}^{name}^L|999|||||||||||||CP|A",
            "RXR|IV|||IVPB",
            "OBX|1|ST|ACCESS||port",
            "OBX|2|ST|CLASS||antineoplastic",
        )
    ).encode()


@pytest.fixture
def infused(clinic: Any, say: Any) -> Any:
    """A clinic after one visit: a long infusion, and one whose end nobody wrote down."""
    site = clinic.folder / "site.toml"
    site.write_text(site.read_text(encoding="utf-8") + MORE, encoding="utf-8")
    clinic.file("0.hl7", say.dft("A-1"))
    clinic.file("1.hl7", dose("1", "DRUGA", "0900", "1131"))
    clinic.file("2.hl7", dose("2", "DRUGB", "1140", ""))
    for name in ("0.hl7", "1.hl7", "2.hl7"):
        assert clinic("ingest", name).code == 0
    return clinic


def drawn(file: Path) -> str:
    root = ET.fromstring(file.read_text(encoding="utf-8"))  # noqa: S314 - our own file
    return " ".join(root.itertext())


def test_the_visit_of_a_charge_and_of_a_hold_is_drawn(infused: Any) -> None:
    held = next(
        row for row in infused("charges", "--held", "--json").rows() if row["slot"]["service"] == "administration"
    )
    ran = infused("explain", held["id"], "--svg", "hold.svg")
    assert (ran.code, ran.err) == (0, "")
    words = drawn(infused.folder / "hold.svg")
    assert "DRUGA" in words
    assert "09:00 to 11:31, 151 min" in words
    assert "waits: no stop time" in words
    for secret in ("Sandling", "PB-100", "V-9"):
        assert secret not in words


def test_what_is_of_no_visit_is_refused(infused: Any) -> None:
    line = next(row for row in infused("charges", "--json").rows() if row["code"] == "77300")
    ran = infused("explain", line["id"], "--svg", "none.svg")
    assert ran.code != 0
    assert "nothing to draw" in ran.err
    assert not (infused.folder / "none.svg").exists()
    held = next(
        row for row in infused("charges", "--held", "--json").rows() if row["slot"]["service"] == "administration"
    )
    nowhere = infused("explain", held["id"], "--svg", "no/such/folder/a.svg")
    assert nowhere.code != 0
    assert "No such file" in nowhere.err
