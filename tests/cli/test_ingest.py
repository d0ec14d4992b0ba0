"""`ingest`: files as if they had come by the wire, a line a message; `replay`, `trace` and `submit` after it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = pytest.mark.system


PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "identifier": [{"system": "urn:plover:mrn", "value": "PB-7"}],
    "name": [{"family": "Godwit", "given": ["Anser"]}],
    "birthDate": "1961-02-03",
    "gender": "male",
}


def outcomes(ran: Any) -> list[tuple[str, int, str]]:
    """(file, number, outcome) of each line."""
    return [(row["file"], row["message"], row["outcome"]) for row in ran.rows()]


def test_a_message_twice_and_a_parked_one(clinic: Any, say: SimpleNamespace) -> None:
    clinic.file("one.hl7", say.dft("A-1"))
    first = clinic("ingest", "one.hl7")
    assert (first.code, first.out, first.err) == (0, "one.hl7 1: accepted\n", "")
    again = clinic("ingest", "one.hl7", "--json")
    assert again.code == 0
    (row,) = again.rows()
    assert list(row) == ["file", "message", "entry", "outcome", "why"]
    assert (row["outcome"], row["why"]) == ("duplicate", None)
    clinic.file("odd.hl7", say.dft("A-2", application="STRANGER"))
    parked = clinic("ingest", "odd.hl7")
    assert (parked.code, parked.out) == (1, "odd.hl7 1: parked (feed-unknown)\n")
    assert len(clinic("charges", "--json").rows()) == 1


def test_a_folder_in_name_order(clinic: Any, say: SimpleNamespace) -> None:
    clinic.file("in/b.hl7", say.dft("B-1"))
    clinic.file("in/a/z.ndjson", f"{json.dumps(PATIENT)}\n\n{json.dumps(PATIENT | {'id': 'p2'})}\n")
    clinic.file("in/c.json", json.dumps({"resourceType": "Bundle", "type": "collection", "entry": []}))
    clinic.file("in/C2.HL7", say.dft("B-2", mrn="PB-9"))
    clinic.file("in/notes.txt", "not for us")
    ran = clinic("ingest", "in", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert outcomes(ran) == [
        ("C2.HL7", 1, "accepted"),
        ("z.ndjson", 1, "accepted"),
        ("z.ndjson", 2, "accepted"),
        ("b.hl7", 1, "accepted"),
        ("c.json", 1, "accepted"),
    ]
    assert {row["patient"] for row in clinic("charges", "--json").rows()} == {"PB-100", "PB-9"}


def test_several_messages_and_batches_in_one_file(clinic: Any, say: SimpleNamespace) -> None:
    two = say.dft("C-1", mrn="PB-1") + say.dft("C-2", mrn="PB-2")
    clinic.file("two.hl7", two)
    assert outcomes(clinic("ingest", "two.hl7", "--json")) == [("two.hl7", n, "accepted") for n in (1, 2)]
    clinic.file("batch.hl7", b"FHS|^~\\&|PLIS\rBHS|^~\\&|PLIS\r" + say.dft("C-3", mrn="PB-3") + b"BTS|1\rFTS|1\r")
    whole = clinic("ingest", "batch.hl7")
    assert (whole.code, whole.out) == (0, "batch.hl7 1: accepted\n")
    clinic.file("short.hl7", b"BHS|^~\\&|PLIS\r" + say.dft("C-4", mrn="PB-4") + b"BTS|3\r")
    short = clinic("ingest", "short.hl7")
    assert (short.code, short.out) == (1, "short.hl7 1: accepted\n")
    assert short.err == "short.hl7: after message 1: BTS-1 states 3 messages, there are 1\n"
    assert {row["patient"] for row in clinic("charges", "--json").rows()} == {f"PB-{n}" for n in (1, 2, 3, 4)}


def test_what_is_refused_is_parked_and_says_why(clinic: Any, say: SimpleNamespace) -> None:
    clinic.file("test.hl7", say.dft("D-1", mode="T"))
    clinic.file("new.hl7", say.dft("D-2", version="3"))
    ran = clinic("ingest", "test.hl7", "new.hl7")
    assert ran.code == 1
    assert ran.out == "test.hl7 1: parked (processing-id)\nnew.hl7 1: parked (version)\n"
    assert clinic("charges", "--json").rows() == [], "it is on file, and nothing of it is used"


def test_json_that_cannot_be_read_is_parked(clinic: Any) -> None:
    clinic.file("broken.json", '{"resourceType": "Patient",')
    clinic.file("double.json", '{"resourceType":"Patient","id":"a","id":"b"}')
    clinic.file("lines.ndjson", f"{json.dumps(PATIENT)}\nnonsense\n")
    ran = clinic("ingest", "broken.json", "double.json", "lines.ndjson")
    assert ran.code == 1
    assert ran.out.splitlines() == [
        "broken.json 1: parked (not-json)",
        "double.json 1: parked (duplicate-key)",
        "lines.ndjson 1: accepted",
        "lines.ndjson 2: parked (not-json)",
    ]
    assert sorted(row["code"] for row in clinic("worklist", "--json").rows()) == [
        "duplicate-key",
        "not-json",
        "not-json",
    ]


def test_nothing_is_taken_where_a_path_is_wrong(clinic: Any, say: SimpleNamespace) -> None:
    clinic.file("good.hl7", say.dft("E-1"))
    clinic.file("letter.txt", "MSH|")
    ran = clinic("ingest", "good.hl7", "none.hl7", "letter.txt")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.splitlines() == ["none.hl7: no such file", "letter.txt: not a file of .hl7, .json, .ndjson"]
    assert clinic("trace", "E-1").code == 1
    assert clinic("ingest", "good.hl7", "--feed", "nobody").code == 2
    assert clinic("ingest").code == 2


def test_replay(clinic: Any, say: SimpleNamespace) -> None:
    clinic.file("odd.hl7", say.dft("F-1", application="STRANGER"))
    (row,) = clinic("ingest", "odd.hl7", "--json").rows()
    entry = row["entry"]
    told = clinic("trace", "F-1")
    assert (told.code, "nothing rests on it" in told.out) == (0, True)
    assert clinic("trace", "F-1", "--json").out == "", "a listing in JSON is JSON or nothing"
    again = clinic("replay", entry)
    assert (again.code, again.err) == (1, f"{entry}: parked again (feed-unknown)\n")
    site = (clinic.folder / "site.toml").read_text(encoding="utf-8")
    clinic.file("site.toml", site.replace('applications = ["PLIS"]', 'applications = ["PLIS", "STRANGER"]'))
    done = clinic("replay", entry)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert len(clinic("charges", "--json").rows()) == 1
    assert clinic("worklist", "--json").rows() == []
    twice = clinic("replay", entry, "no-such-entry")
    assert (twice.code, twice.err) == (1, f"{entry}: not parked\nno-such-entry: not parked\n")


def test_a_fraction_before_its_patient_is_read_when_the_patient_comes(clinic: Any) -> None:
    fraction = {
        "resourceType": "Procedure",
        "id": "fx",
        "status": "completed",
        "subject": {"reference": "Patient/p1"},
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "1297069006"}]},
        "performedDateTime": "2026-02-03T10:00:00-05:00",
    }
    clinic.file("1.json", json.dumps(fraction))
    assert clinic("ingest", "1.json").out == "1.json 1: parked (person-unknown)\n"
    clinic.file("2.json", json.dumps(PATIENT))
    assert clinic("ingest", "2.json").code == 0
    assert "person-unknown" not in {row["code"] for row in clinic("worklist", "--json").rows()}
    assert clinic("charges", "--held", "--json").rows(), "the fraction is read: it waits for its course"


def test_now_is_the_clock(clinic: Any, say: SimpleNamespace) -> None:
    clinic.file("one.hl7", say.dft("G-1", on="20260105"))
    assert clinic("ingest", "one.hl7", "--now", "2026-01-05T12:00-05:00").code == 0
    assert clinic("claims", "--json").rows() == [], "the cycle of the day is still open"
    assert clinic("submit", "--dry-run", "--now", "2026-01-05").out == ""
    shown = clinic("submit", "--dry-run", "--now", "2026-01-06")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.rstrip().endswith("to sandbar: professional, 1 line, $120.50"), "a cycle that closed since"
    assert clinic("claims", "--json").rows() == [], "a dry run writes nothing"
    assert clinic("run-due", "--now", "2026-01-06").code == 0
    (claim,) = clinic("claims", "--json").rows()
    assert claim["id"] in shown.out
    assert claim["state"] == "held", "ready, and the payer's address gives no answer"
    assert clinic("submit", "--now", "2026-01-06T13:00-05:00").code == 0
    (claim,) = clinic("claims", "--json").rows()
    assert (claim["state"], claim["total"]) == ("held", "120.50")
    assert clinic("charges", "--json").rows()[0]["status"] == "claimed"


def test_the_clock_of_a_command_in_many_words(clinic: Any) -> None:
    for good in ("2026-01-05", "2026-01-05T08:00", "2026-01-05T08:00:00Z", "2026-01-05T08:00-05:00"):
        assert clinic("run-due", "--now", good).code == 0
    for bad in ("soon", "2026-13-01", "2026-02-30", "20260105T", ""):
        wrong = clinic("run-due", "--now", bad)
        assert (bad, wrong.code) == (bad, 2)
        assert "Traceback" not in wrong.err
