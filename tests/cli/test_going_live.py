"""Going live by the console script: `golive`, `ingest --historic`, `load opening`, and `rebuild` over all of it."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.system

WHO = ("--by", "kim", "--why", "the board decided")


def charge(number: str, day: str, mrn: str = "PB-1") -> bytes:
    """A coded charge: the clinic's dosimetry is billed as it was coded."""
    head = f"MSH|^~\\&|PLIS|PLOVER|ONCO|PLOVER|{day}080000||DFT^P03^DFT_P03|{number}|P|2.5.1"
    said = (
        head,
        f"EVN|P03|{day}080000",
        f"PID|1||{mrn}^^^PLOVER^MR||Sandling^Merle||19600101|F",
        "PV1|1|O|PLOVER",
        f"FT1|1|T-{number}||{day}080000||CG|77300^calculation^HCPCS|||1||||||PLOVER|||C61^^I10|||||77300^calculation^C4",
        "IN1|1|S1|SDBR|Sandbar Mutual||||||||20200101||||Sandling^Merle|SEL|19600101||||||||||||||||||M-7",
    )
    return "".join(f"{line}\r" for line in said).encode()


def statuses(clinic: Any) -> list[tuple[str, str]]:
    rows = [*clinic("charges", "--json").rows(), *clinic("charges", "--held", "--json").rows()]
    return sorted((row["service_start"], row["holds"][0]["code"] if row["holds"] else row["status"]) for row in rows)


def test_a_day_is_decided_and_every_lane_follows(clinic: Any) -> None:
    for number, day in (("1", "20260302"), ("2", "20260309")):
        clinic.file(f"{number}.hl7", charge(number, day))
    assert clinic("ingest", "1.hl7", "2.hl7", "--now", "2026-03-09").code == 0
    told = clinic("golive", "--family", "dosimetry", "--from", "2026-03-09", *WHO, "--now", "2026-03-10")
    assert (told.code, told.err) == (0, "")
    assert told.out.splitlines()[-1] == "dosimetry: claimed from 2026-03-09 on (decided)"
    assert clinic("run-due", "--now", "2026-03-10").code == 0
    before, after = statuses(clinic)
    assert before == ("2026-03-02", "shadow")
    assert after[1] in ("due", "claimed")
    (row,) = clinic("golive", "--json").rows()
    assert (row["family"], row["live_from"], row["said"]) == ("dosimetry", "2026-03-09", "live 2026-03-10")
    (edition,) = clinic("tables", "--json").rows()
    assert (edition["kind"], edition["by"], edition["why"]) == ("live", "kim", "the board decided")
    again = clinic("golive", "--family", "dosimetry", "--withdraw", *WHO, "--now", "2026-03-11")
    assert again.out.splitlines()[-1] == "dosimetry: claimed, whatever the date of service"
    assert clinic("run-due", "--now", "2026-03-11").code == 0
    assert {state for _, state in statuses(clinic)} <= {"due", "claimed"}
    assert clinic("rebuild", "--check").code == 0


def test_what_cannot_be_decided_is_refused(clinic: Any) -> None:
    wrong = clinic("golive", "--family", "dosimetri", "--from", "2026-03-09", *WHO)
    assert (wrong.code, wrong.err) == (1, "golive: there is no service family 'dosimetri'\n")
    late = clinic("golive", "--payer", "sandbar", "--from", "2026-03-09", "--shadow-from", "2026-03-10", *WHO)
    assert (late.code, late.err) == (1, "golive: shadow_from 2026-03-10 is after live_from 2026-03-09\n")
    assert clinic("golive", "--from", "2026-03-09").code == 2
    assert clinic("golive", "--withdraw", "--from", "2026-03-09", *WHO).code == 2
    none = clinic("golive", "--entity", "plover", "--withdraw", *WHO)
    assert (none.code, none.err) == (1, "golive: nothing was decided of plover\n")
    assert clinic("golive").out.startswith("everything is claimed")
    assert clinic("load", "live", "site.toml").code == 2


def test_a_decision_about_a_payer_that_is_gone_stops_what_would_bill(clinic: Any) -> None:
    """It would bind nothing any more, and what was to wait would be claimed."""
    assert clinic("golive", "--payer", "sandbar", "--from", "2026-06-01", *WHO).code == 0
    site = (clinic.folder / "site.toml").read_text()
    clinic.file("site.toml", site.replace('id = "sandbar"', 'id = "sandbar-mutual"'))
    ran = clinic("run-due", "--now", "2026-03-10")
    assert ran.code == 1
    assert "there is no payer 'sandbar': keep its id in the site file, or withdraw the decision" in ran.err
    assert clinic("golive", "--payer", "sandbar", "--withdraw", *WHO).code == 0
    assert clinic("run-due", "--now", "2026-03-10").code == 0


def test_the_site_file_says_it_too_and_contradictions_are_refused(clinic: Any) -> None:
    site = (clinic.folder / "site.toml").read_text()
    told = site.replace('mode = "accept"', 'mode = "accept"\nlive_from = 2026-04-01')
    clinic.file("site.toml", told + '\n[[live]]\npayer = "sandbar"\nshadow_from = 2026-01-01\n')
    rows = clinic("golive", "--json").rows()
    assert [(row["family"], row["payer"], row["said"]) for row in rows] == [
        ("dosimetry", None, "families.0.dosimetry"),
        (None, "sandbar", "live.0"),
    ]
    faulty = '\n[[live]]\nservice = "dosimetry"\nlive_from = 2026-05-01\n[[live]]\nentity = "elsewhere"\n'
    clinic.file("site.toml", told + faulty)
    ran = clinic("golive")
    assert ran.code == 1
    assert ran.err.splitlines() == [
        "site.toml: live.0: says another day of dosimetry than families.0.dosimetry",
        "site.toml: live.1: there is no entity 'elsewhere'",
        "site.toml: live.1: neither shadow_from nor live_from is there",
    ]


def test_history_opens_no_work_and_is_not_claimed(clinic: Any) -> None:
    nameless = charge("3", "20260302").replace(b"20260302080000||CG", b"||CG")  # nobody says when: work, if it is new
    clinic.file("1.hl7", charge("1", "20260302"))
    clinic.file("3.hl7", nameless)
    assert clinic("ingest", "1.hl7", "3.hl7", "--historic", "--now", "2026-03-09").code == 0
    assert [state for _, state in statuses(clinic)] == ["historic"]
    assert not clinic("worklist", "--json").rows()
    # The feed says the same again: the old charge stays history, what could not be read is work now.
    assert clinic("ingest", "1.hl7", "3.hl7", "--now", "2026-03-20").code == 0
    assert [state for _, state in statuses(clinic)] == ["historic"]
    assert not clinic("claims", "--json").rows()
    assert clinic("worklist", "--json").rows()
    assert clinic("rebuild", "--check").code == 0


def test_what_was_billed_elsewhere_takes_its_slot(clinic: Any) -> None:
    clinic.file("1.hl7", charge("1", "20260302"))
    clinic.file("2.hl7", charge("2", "20260309"))
    clinic.file(
        "opening.csv",
        "system,mrn,service,code,units,date of service,claim\nurn:plover:mrn,PB-1,dosimetry,77300,1,2026-03-02,OLD-1\n",
    )
    loaded = clinic("load", "opening", "opening.csv", "--from", "2026-01-01", "--activate", *WHO)
    assert loaded.code == 0, loaded.err
    assert clinic("ingest", "1.hl7", "2.hl7", "--now", "2026-03-09").code == 0
    held = clinic("charges", "--held", "--json").rows()
    assert [(row["service_start"], row["holds"][0]["code"]) for row in held] == [("2026-03-02", "billed-elsewhere")]
    told = clinic("explain", held[0]["id"])
    assert "billed elsewhere = 77300 × 1 of 2026-03-02, claim OLD-1" in told.out


def test_compare_names_what_the_sides_say_otherwise(clinic: Any) -> None:
    for number, day in (("1", "20260302"), ("2", "20260309")):
        clinic.file(f"{number}.hl7", charge(number, day))
    assert clinic("ingest", "1.hl7", "2.hl7", "--now", "2026-03-09").code == 0
    ran = clinic("compare", "--from", "2026-03-01", "--to", "2026-03-05", "--json")
    assert ran.code == 1
    (row,) = ran.rows()
    assert (row["kind"], row["day"], row["patient"], row["effect"]) == ("theirs-only", "2026-03-02", "PB-1", "-120.50")
    assert row["theirs"]["code"] == "77300"
    assert row["ours"] is None
    assert clinic(row["look"], row["id"]).code == 0
    weeks = clinic("compare", "--by", "week", "--json").rows()
    assert [(week["week"], week["differ"], week["under"]) for week in weeks] == [
        ("2026-03-02", 1, "120.50"),
        ("2026-03-09", 1, "120.50"),
    ]
    sheet = clinic("compare", "--csv").out.splitlines()
    assert sheet[0].startswith("kind,differs,day,service")
    assert len(sheet) == 3
    people = clinic("compare")
    assert "0 match, 2 differ" in people.out
    assert people.err == "2 differences in 2 lines\n"
    nothing = clinic("compare", "--from", "2026-05-01", "--json")
    assert (nothing.code, nothing.out) == (0, "")
    assert clinic("compare", "--from", "2026-05-01", "--to", "2026-01-01").code == 2
