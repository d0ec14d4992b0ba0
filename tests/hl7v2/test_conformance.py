"""The conformance report: what hl7apy's dictionary and our own needs say, without quoting the message."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.hl7v2 import conformance
from adapters.hl7v2.conformance import report, tally

GOOD = (
    "MSH|^~\\&|RTSYS|NORTH|ADAPTER|BILL|20260105||DFT^P03^DFT_P03|C1|P|2.5.1\r"
    "EVN||20260105\r"
    "PID|1||777^^^NORTH^MR||Birchwood^Ada^^^^^L\r"
    "FT1|1|T1||20260105|20260105|CG|LOC1^Mgmt^L|||1\r"
    "ZRT|anything|goes\r"
)


def codes(text: str) -> set[tuple[str, str]]:
    return {(problem.code, problem.where) for problem in report(text.encode())}


def test_a_good_message_has_no_problems() -> None:
    assert report(GOOD.encode()) == ()


@pytest.mark.parametrize(
    ("old", "new", "code", "where"),
    [
        ("777^^^NORTH^MR", "", "needed-field", "PID-3"),
        ("777^^^NORTH^MR", "", "required-field", "PID-3"),
        ("|T1|", "||", "needed-field", "FT1-2"),
        ("||20260105|20260105|CG", "|||20260105|CG", "needed-field", "FT1-4"),
        ("|CG|", "||", "needed-field", "FT1-6"),
        ("LOC1^Mgmt^L", "", "needed-field", "FT1-7 or FT1-25"),
        ("LOC1^Mgmt^L||", "LOC1||old words", "withdrawn-field", "FT1-9"),
        ("|||1\r", "|||two\r", "data-type", "FT1-10"),
        ("|||1\r", "|||1,5\r", "data-type", "FT1-10"),
        ("||20260105|20260105|CG", "||20261305|20260105|CG", "data-type", "FT1-4"),
        ("FT1|1|T1|", "FT1|1|T1~T2|", "repeats", "FT1-2"),
        ("|||1\r", "|||1" + "|" * 40 + "x\r", "unknown-field", "FT1-50"),
        ("EVN|", "EVX|", "unknown-segment", "EVX"),
        ("PID|", "pid|", "segment-missing", ""),
        ("PID|", "pid|", "stray-line", "line 3"),
        ("FT1|1", "FTX|1", "segment-missing", ""),
        ("|C1|", "||", "no-control-id", ""),
        ("|C1|", "||", "needed-field", "MSH-10"),
        ("Birchwood", "B" * 20_000, "not-checked", "PID"),
        ("Birchwood", "~".join("B" * 2_000), "too-many-repetitions", "PID-5"),
    ],
)
def test_each_problem(old: str, new: str, code: str, where: str) -> None:
    assert old in GOOD
    assert (code, where) in codes(GOOD.replace(old, new))


def test_a_merge_needs_mrg() -> None:
    merge = "MSH|^~\\&|A|B|C|D|20260105||ADT^A40^ADT_A39|C1|P|2.5.1\rEVN||20260105\rPID|1||7||N\r"
    assert ("segment-missing", "") in codes(merge)
    assert ("segment-missing", "") not in codes(merge + "MRG|8\r")


def test_old_versions_keep_their_modifiers_known() -> None:
    """FT1-26 does not exist in v2.3; read by the v2.7 dictionary it is a field like any other."""
    old = GOOD.replace("2.5.1", "2.3").replace("|||1\r", "|||1" + "|" * 16 + "26~59\r")
    assert codes(old) == set()


def test_unreadable_input_is_reported() -> None:
    assert ("empty", "") in codes("")
    assert ("no-msh", "") in codes("PID|1||7")
    assert ("charset-guessed", "MSH-18") in {
        (p.code, p.where) for p in report(GOOD.encode().replace(b"Birch", b"B\xfcrch"))
    }


def test_words_never_quote_the_message() -> None:
    bad = GOOD.replace("|||1\r", "|||CANARY\r").replace("NORTH^MR", "NORTH^MR~CANARY^CANARY").replace("EVN", "CANARY")
    found = report(bad.encode())
    assert found
    assert "CANARY" not in repr(found)


def test_any_error_of_hl7apy_becomes_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise IndexError("CANARY")

    monkeypatch.setattr(conformance, "parse_segment", fail)
    found = report(GOOD.encode())
    assert {p.code for p in found} == {"structure"}
    assert "CANARY" not in repr(found)


@settings(max_examples=25)
@given(
    st.lists(
        st.sampled_from(["PID", "FT1", "ZZZ", "|", "|", "^", "~", "&", "\\", "a", '""', "\r", "\x0b"]), max_size=20
    )
)
def test_never_raises(pieces: list[str]) -> None:
    found = report(GOOD.encode() + "".join(pieces).encode())
    assert all(problem.words for problem in found)


def test_tally_counts_by_place_without_ordinals() -> None:
    two = GOOD + "FT1|2|T2||x|20260105|CG|LOC\rFT1|3|T3||y|20260105|CG|LOC\r"
    counted = tally([report(two.encode()), report(two.encode()), report(GOOD.encode())])
    assert counted == [("data-type", "FT1-4", 4)]
