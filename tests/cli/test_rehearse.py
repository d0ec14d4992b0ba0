"""`rehearse`: what another site file or other mappings would change, with money, and nothing written."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.conftest import SITE


def test_another_price(clinic: Any, say: Any) -> None:
    clinic.file("one.hl7", say.dft("C1"))
    assert clinic("ingest", "one.hl7").code == 0
    clinic.file("dearer.toml", SITE.replace("120.50", "150.00"))
    same = clinic("rehearse", "--new-site", "site.toml", "--now", "2026-01-06")
    assert same.code == 0
    assert "0 of 1 persons, 0 lines" in same.out
    assert "due now $120.50, then $120.50: +$0.00" in same.out
    ran = clinic("rehearse", "--new-site", "dearer.toml", "--now", "2026-01-06")
    assert ran.code == 1
    assert "due now $120.50, then $150.00: +$29.50" in ran.out
    [row] = clinic("rehearse", "--new-site", "dearer.toml", "--json", "--now", "2026-01-06").rows()
    [charge] = clinic("charges", "--json").rows()
    assert row["charge"] == charge["id"]
    assert (row["kind"], row["effect"]) == ("changed", "29.50")
    assert (row["before"]["amount"], row["after"]["amount"]) == ("120.50", "150.00")
    assert charge["price"] == "120.50", "nothing was written"


def test_other_mappings(clinic: Any, say: Any) -> None:
    """An overlay under which the code is not in force: the line would be held."""
    clinic.file("one.hl7", say.dft("C1"))
    assert clinic("ingest", "one.hl7").code == 0
    head = (
        "code,label,service,from,to,pctc,tc_bundled,packaged_technical,status,addon_of,mue,mue_hospital,mai,cite\n"
        "77300,dose calculation,dosimetry,2015-01-01,2025-12-31,1,,,A,,10,10,3,ended for this test\n"
    )
    clinic.file("new/codes/attributes.csv", head)
    ran = clinic("rehearse", "--mappings", "new", "--json", "--now", "2026-01-06")
    assert ran.code == 1, ran.err
    [row] = ran.rows()
    assert (row["kind"], row["hold"], row["effect"]) == ("held", "not-effective", "-120.50")
    assert "120.50" in clinic("rehearse", "--mappings", "new", "--workers", "2", "--now", "2026-01-06").out


def test_a_person_with_two_numbers_is_one(clinic: Any, say: Any) -> None:
    """Of lanes put together only the person's own is derived; each was counted as a person."""
    merge = b"".join(
        f"{text}\r".encode()
        for text in (
            "MSH|^~\\&|PLIS|PLOVER|ONCO|PLOVER|20260106080000||ADT^A40|A40|P|2.5.1",
            "EVN|A40|20260106080000",
            "PID|1||PB-100^^^PLOVER^MR||Sandling^Merle||19520417|F",
            "MRG|PB-200^^^PLOVER^MR",
        )
    )
    clinic.file("all.hl7", say.dft("M1", on="20260105") + say.dft("M2", on="20260106", mrn="PB-200") + merge)
    assert clinic("ingest", "all.hl7", "--now", "2026-01-06T10:00-05:00").code == 0
    assert len({row["patient"] for row in clinic("charges", "--json").rows()}) == 1
    clinic.file("dearer.toml", SITE.replace("120.50", "150.00"))
    ran = clinic("rehearse", "--new-site", "dearer.toml", "--now", "2026-01-06T10:00-05:00")
    assert "1 of 1 persons, 2 lines" in ran.out


def test_wrong_use(clinic: Any) -> None:
    assert clinic("rehearse").code == 2
    wrong = clinic("rehearse", "--mappings", "nowhere")
    assert wrong.code == 1
    assert "nowhere" in wrong.err


@pytest.mark.system
def test_processes_share_the_lanes(clinic: Any, say: Any) -> None:
    """Sixty persons over two processes: the same lines in the same order as one gives."""
    for n in range(60):
        clinic.file(f"day/{n:02}.hl7", say.dft(f"C{n}", mrn=f"PB-{n:03}"))
    assert clinic("ingest", "day").code == 0
    clinic.file("dearer.toml", SITE.replace("120.50", "150.00"))
    words = ("rehearse", "--new-site", "dearer.toml", "--now", "2026-01-06", "--json")
    one, two = clinic(*words), clinic(*words, "--workers", "2")
    assert len(one.rows()) == 60
    assert (two.err, two.out) == (one.err, one.out)
