"""What a day of messages says about its dialect: each thing that a dialect must say, and nothing about people."""

from __future__ import annotations

import json
import os
import pathlib
import re
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2.learn import Seen, Study, study
from adapters.hl7v2.proposal import proposal
from adapters.hl7v2.shapes import SHAPES, date_form, shape_of
from adapters.rules.dialect import Dialect, parse_dialect
from adapters.rules.location import Location


def dft(*segments: str, head: str = "MSH|^~\\&|RADSYS|CLINIC|ONC|BILL|20260106080000||DFT^P03|C1|P|2.5.1") -> bytes:
    pid = "PID|1||MR77001^^^MAINAUTH^MR||Quillfeather^Petronella||19610203|F|||9 Elmrow^^Troyville"
    return "\r".join((head, pid, *segments)).encode()


def ft1(**fields: str) -> str:
    values = {1: "1", 2: "T1", 4: "20260105", 6: "CG", 7: "RT1^^L", 10: "1", 25: "77412^^C4"}
    values.update({int(name[1:]): value for name, value in fields.items()})
    return "|".join(["FT1", *(values.get(n, "") for n in range(1, max(values) + 1))])


def told(found: Study, topic: str) -> dict[tuple[str, str], tuple[int, int]]:
    return {(s.where, s.value): (s.count, s.of) for s in found.seen() if s.topic == topic}


def proposed(*bodies: bytes) -> Dialect:
    text = proposal(study(bodies), "learned")
    found = parse_dialect(tomllib.loads(text), "learned.toml", text)
    assert isinstance(found, Dialect), found
    return found


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("20260105", "YYYYMMDD"),
        ("202601051430", "YYYYMMDDHHMM"),
        ("20260105143000.25-0500", "YYYYMMDDHHMMSS.S+offset"),
        ("2026", "YYYY"),
        ("2026-01-05", "iso"),
        ("2026-01-05T14:30:00Z", "iso"),
        ("01/25/2026", "us"),
        ("25.01.2026", "european"),
        ("01/05/2026", "us or european"),
        ("20260230", "impossible"),
        ("2026-02-30", "impossible"),
        ("yesterday", "other"),
        ("2026010514300", "other"),
    ],
)
def test_the_form_of_a_date(text: str, form: str) -> None:
    assert date_form(text) == form


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("20260105", "date"), ("202601051430", "time"), ("2026-01-05", "iso date"), ("1/5/2026", "slashed date"),
        ("Y", "flag"), ("77412", "procedure code"), ("12", "whole"), ("1.5", "decimal"), ("2.25.1.99", "uid"),
        ("PLAN_A", "code"), ("left breast", "text"), ('""', "null"),
    ],
)  # fmt: skip
def test_the_shape_of_a_value(text: str, shape: str) -> None:
    assert shape_of(text) == shape


@given(st.text(max_size=30))
def test_every_value_has_a_shape_of_the_closed_list(text: str) -> None:
    assert shape_of(text) in SHAPES
    assert isinstance(date_form(text), str)


def test_confidence_grows_with_the_evidence_and_never_passes_the_share() -> None:
    assert Seen("t", "", "v", 0, 0).confidence == 0
    assert Seen("t", "", "v", 1, 1).confidence == pytest.approx(0.207)
    rising = [Seen("t", "", "v", n, n).confidence for n in (1, 10, 100, 1000)]
    assert rising == sorted(rising)
    assert rising[-1] < 1
    assert Seen("t", "", "v", 50, 100).confidence < 0.5


def test_header_charset_and_people() -> None:
    body = dft(ft1())
    cp1252 = dft(ft1()).replace(b"Petronella", b"Zo\xeb")
    declared = dft(head="MSH|^~\\&|RADSYS|CLINIC|ONC|BILL|20260106080000-0500||ADT^A08|C1|P|2.3||||||8859/1")
    found = study([body, cp1252, declared])
    assert told(found, "message-type") == {("MSH-9", "DFT^P03"): (2, 3), ("MSH-9", "ADT^A08"): (1, 3)}
    assert told(found, "version") == {("MSH-12", "2.5.1"): (2, 3), ("MSH-12", "2.3"): (1, 3)}
    assert told(found, "application") == {("MSH-3", "RADSYS"): (3, 3)}
    assert told(found, "facility") == {("MSH-4", "CLINIC"): (3, 3)}
    assert told(found, "authority") == {("PID-3.4", "MAINAUTH"): (3, 3)}
    assert told(found, "charset-declared")["MSH-18", "8859/1"] == (1, 3)
    assert any("by guess" in value for _, value in told(found, "charset"))
    assert told(found, "offset")["", "-0500"][0] == 1
    assert told(found, "patient") == {("PID", "name and birth date"): (3, 3)}


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        # (a), (b): the same number, CD or CR, of either sign; (c): a charge below zero; (d): with its rebill
        ([ft1(), ft1(f6="CD", f10="-1")], {"same-transaction", "negative-quantity"}),
        ([ft1(), ft1(f6="CR")], {"same-transaction"}),
        ([ft1(f10="-1")], {"negative-quantity"}),
        ([ft1(f11="-120.50")], {"negative-amount"}),
        ([ft1(), ft1(f6="CR", f10="-1"), ft1(f26="59")], {"same-transaction", "negative-quantity"}),
    ],
)
def test_how_a_feed_takes_back(segments: list[str], expected: set[str]) -> None:
    dialect = proposed(dft(*segments))
    assert dialect.credits == expected
    assert dialect.original is None


@pytest.mark.parametrize(
    ("credit", "where"),
    [
        ([ft1(f2="T9", f3="T1", f6="CR")], Location("FT1", 3)),
        ([ft1(f2="T9", f6="CD"), "ZCR|1||T1"], Location("ZCR", 3)),
    ],
)
def test_a_credit_that_names_its_charge_elsewhere(credit: list[str], where: Location) -> None:  # (e)
    dialect = proposed(dft(ft1()), dft(*credit))
    assert dialect.original == where
    assert "same-transaction" not in dialect.credits


def test_a_credit_of_a_charge_of_another_day_is_no_evidence_of_where_it_is_named() -> None:
    assert proposed(dft(ft1(f2="T7", f6="CD"))).credits == {"same-transaction"}


@pytest.mark.parametrize(
    ("segments", "codes", "forms"),
    [
        ([ft1(f26="26~59")], ["FT1-25"], {"repetitions"}),
        ([ft1(f7="77412", f25="", f26="26^59")], ["FT1-7"], {"components"}),
        ([ft1(f25="", f26="26TC59")], [], {"joined"}),
        ([ft1(f25=""), "PR1|1||77412^^C4|||||||||||||59"], ["PR1-3"], {"repetitions"}),
    ],
)
def test_where_code_and_modifiers_stand(segments: list[str], codes: list[str], forms: set[str]) -> None:
    dialect = proposed(dft(*segments))
    assert dialect.modifier_forms == forms
    if codes:
        assert [str(at) for at in dialect.codes] == codes
    else:
        assert "[activities]" in proposal(study([dft(*segments)]), "learned")


def test_dates_numbers_and_quantities_in_other_notations() -> None:
    dialect = proposed(dft(ft1(f4="2026-01-05", f10="1,5")), dft(ft1(f4="01/25/2026", f10="")))
    assert dialect.dates == {"iso", "us"}
    assert dialect.decimal_comma
    text = proposal(study([dft(ft1(f4="01/05/2026"))]), "learned")
    assert "ask the sender" in text
    assert proposed(dft(ft1(f4="01/05/2026"))).dates == frozenset()
    assert proposed(dft(ft1(f4="25/01/2026")), dft(ft1(f4="01/25/2026"))).dates == frozenset()


def test_who_states_people() -> None:
    assert proposed(dft(ft1())).people_from == {"DFT"}
    adt = dft(head="MSH|^~\\&|RADSYS|CLINIC|ONC|BILL|20260106||ADT^A04|C1|P|2.5.1")
    assert proposed(dft(ft1()), adt).people_from == {"ADT^A04"}


def test_local_segments_are_told_field_by_field_by_shape() -> None:
    body = dft(ft1(), "ZRT|1|C1|2.25.9.1.4|imrt^Y^|20260105||left breast")
    shapes = dict(where for where, _ in told(study([body]), "z-field").items())
    assert shapes == {
        "ZRT-1": "whole", "ZRT-2": "code", "ZRT-3": "uid", "ZRT-4": "code", "ZRT-4.2": "flag", "ZRT-5": "date",
        "ZRT-7": "text",
    }  # fmt: skip
    text = proposal(study([body]), "learned")
    assert "#   ZRT-4.2: flag 1" in text
    assert told(study([body]), "z-segment") == {("ZRT", "present"): (1, 1)}


def test_what_cannot_be_read_is_counted_and_a_batch_is_its_messages() -> None:
    found = study([b"", b"{}", b"BHS|^~\\&\r" + dft() + b"\r" + dft() + b"\rBTS|2", dft("NTE" + "|" * 1200)])
    assert found.messages == 2
    assert dict(found.unread) == {"empty": 1, "no-msh": 1, "over-limits": 1}


CANARIES = ("Quillfeather", "Petronella", "MR77001", "19610203", "Elmrow", "Troyville", "ACC88", "MEM99", "Aldous")


def test_nothing_of_people_is_told_wherever_a_sender_puts_it() -> None:
    """Names and numbers in their own fields, and slipped into the header, the authority, FT1-6 and local segments."""
    bodies = [
        dft(
            ft1(f6="Petronella", f7="Quillfeather", f10="MR77001", f26="Aldous", f3="ACC88"),
            "IN1|1|Z||||||||||||||Quillfeather^Aldous||||||||||||||||||||MEM99",
            "GT1|1||Quillfeather^Aldous",
            "ZXX|Quillfeather|MR77001|9 Elmrow Troyville|MEM99",
        ),
        dft(head="MSH|^~\\&|PETRONELLA Q|Quillfeather|ONC|BILL|Elmrow||Quillfeather^Ann|C1|P|MR77001||||||Aldous"),
        dft().replace(b"MAINAUTH", b"Petronella"),
        dft().replace(b"MAINAUTH", b"MR77001"),
    ]
    found = study(bodies)
    rows = json.dumps([(s.topic, s.where, s.value) for s in found.seen()])
    for text in (rows, proposal(found, "learned"), json.dumps(found.unread)):
        for canary in CANARIES:
            assert canary.casefold() not in text.casefold(), canary


@given(st.binary(max_size=80), st.integers(0, 300))
def test_no_bytes_raise_and_the_proposal_always_loads(noise: bytes, at: int) -> None:
    body = dft(ft1(), ft1(f6="CD"), "ZRT|1|x^y")
    assert isinstance(proposed(noise, body[:at] + noise + body[at:]), Dialect)


def test_an_id_that_cannot_name_a_dialect_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="lower-case"):
        proposal(study([]), 'x"\nevil = 1')


# ---------------------------------------------------------------- scored on the samples, by their manifest

NOTES: dict[str, tuple[str, str, str]] = {
    "non-default encoding characters": ("delimiters", "MSH-2", "own"),
    "Z segments after FT1": ("z-segment", "ZFT", "present"),
    "FT1-6 of PY, AJ and CO only": ("transaction-type", "FT1-6", "PY"),
    "credit as CD": ("credit", "FT1-6", "CD with quantity above zero"),
    "FT1-4 as a date range": ("service-date", "FT1-4", "range"),
    "planning charges with quantities over 1": ("quantity", "FT1-10", "number"),
    "IN1/IN2/IN3": ("beside", "FT1", "IN1"),
    "HDR brachytherapy with a HCPCS C-code": ("code", "FT1-25", "procedure code"),
    "cp1252 bytes, MSH-18 ASCII": ("charset-declared", "MSH-18", "ASCII"),
    "Latin-1 bytes, MSH-18 empty": ("charset", "", "cp1252 by guess"),
    "modifiers concatenated": ("modifiers", "FT1-26", "joined"),
    "FT1-10 with a decimal comma": ("quantity", "FT1-10", "decimal comma"),
    "FT1-10 not numeric": ("quantity", "FT1-10", "no number"),
    "31 February and an ISO date": ("date-form", "FT1-5", "iso"),
    "MSH-9 without trigger event": ("message-type", "MSH-9", "DFT"),
    "MSH-12 empty": ("version", "MSH-12", "none"),
    "unescaped CR inside": ("stray-line", "", "line without a segment name"),
    "pre-2.4 merge": ("message-type", "MSH-9", "ADT^A34"),
}
"""What the manifest notes of a sample, and what must be learned from it."""


def manifest() -> tuple[pathlib.Path, list[dict[str, str]]]:
    tree = pathlib.Path(os.environ.get("ONCOCLAIMS_TREE") or pathlib.Path(__file__).parents[2])
    root = pathlib.Path(os.environ.get("ONCOCLAIMS_SHARED") or tree.parent / "shared") / "corpus" / "hl7v2"
    if not (root / "MANIFEST.md").exists():
        pytest.skip("NO SAMPLE MESSAGES: set ONCOCLAIMS_SHARED to the folder that holds corpus/hl7v2")
    lines = [line for line in (root / "MANIFEST.md").read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    names = cells[0]
    return root, [dict(zip(names, row, strict=False)) for row in cells[2:]]


def test_scored_on_the_samples_by_their_manifest(capsys: pytest.CaptureFixture[str]) -> None:
    """Type and version of every well-formed sample, and everything that the manifest notes of one."""
    root, rows = manifest()
    right = wrong = 0
    missed: list[str] = []
    noted: set[str] = set()
    for row in rows:
        path = root / row["file"]
        if not path.exists():
            continue
        found = study([path.read_bytes()])
        text = proposal(found, "learned")
        assert isinstance(parse_dialect(tomllib.loads(text), "x", text), Dialect), row["file"]
        expected = [(note, NOTES[note]) for note in NOTES if note in row["note"]]
        if row["kind"] == "ok":
            expected += [("type", ("message-type", "MSH-9", row["type"]))]
            expected += [("version", ("version", "MSH-12", row["ver"]))]
        for note, (topic, where, value) in expected:
            if (where, value) in told(found, topic):
                right += 1
                noted.add(note)
            else:
                wrong += 1
                missed.append(f"{row['file']}: {note}: {topic} {sorted(told(found, topic))}")
    with capsys.disabled():
        print(f"\nlearn on the samples: {right} of {right + wrong} said as the manifest does")
    assert missed == []
    assert noted == {"type", "version", *NOTES}, sorted(NOTES.keys() - noted)
    assert right > 200


def test_of_the_samples_no_name_is_told() -> None:
    root, rows = manifest()
    for row in rows:
        path = root / row["file"]
        if not path.exists():
            continue
        body = path.read_bytes()
        names = {
            word.casefold()
            for line in re.split(rb"[\r\n]", body)
            if line.startswith(b"PID|")
            for part in (line.split(b"|") + [b""] * 6)[5:6]
            for word in re.split(r"[^A-Za-z]+", part.decode("latin-1"))
            if len(word) > 3
        }
        values = [
            s.value.casefold() for s in study([body]).seen() if s.topic in ("application", "facility", "authority")
        ]
        assert not [name for name in names if any(name == v or name in v.split() for v in values)], row["file"]
