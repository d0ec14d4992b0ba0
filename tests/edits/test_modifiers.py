"""Modifiers: contradictions, order, number, and those that are missing."""

from __future__ import annotations

import itertools

import pytest

from adapters.model.charge import Release
from tests.edits.lines import center, kept, line, looked_at, passed
from tests.model.clinic import held, house, report, screened


@pytest.mark.parametrize(
    ("code", "modifiers"),
    [
        ("77290", ("26", "TC")),
        ("77263", ("26",)),
        ("77336", ("TC",)),
        ("77334", ("JW", "JZ")),
        ("77334", ("50", "LT")),
        ("77334", ("50", "RT")),
        ("77334", ("LT", "RT")),
        ("77334", ("59", "XE")),
        ("77334", ("59", "XU")),
        ("99213", ("59",)),
        ("99213", ("GT", "95")),
        ("77407", ("76", "77")),
        ("77334", ("GA", "GX")),
        ("77334", ("PO",)),
    ],
)
def test_contradictions_are_held_in_any_order_with_what_is_wrong(code: str, modifiers: tuple[str, ...]) -> None:
    for told in itertools.permutations(modifiers):
        result = looked_at([line(code, *told)])
        assert [(h.code, h.release, h.why.rule.id) for h in result.holds] == [
            ("modifier-conflict", Release.PERSON, "modifiers")
        ]
        assert result.holds[0].why.rule.cite
        assert len(result.holds[0].detail) > len(center().rules.hold("modifier-conflict").words)
    off = center(payer_options={"edits.modifiers": "off"})
    assert len(looked_at([line(code, *modifiers)], off).charges) == 1


@pytest.mark.parametrize(
    ("code", "modifiers"),
    [
        ("77290", ("26", "59")),
        ("77290", ("26", "76", "LT")),
        ("77334", ("50",)),
        ("77334", ("59", "51", "LT", "Q1")),
        ("77334", ("LT", "KX")),
        ("99213", ("25",)),
    ],
)
def test_modifiers_that_go_together_pass(code: str, modifiers: tuple[str, ...]) -> None:
    result = looked_at([line(code, *modifiers)])
    assert [c.modifiers for c in result.charges] == [modifiers]


def test_an_order_that_prices_wrongly_is_held_or_set_right_as_the_payer_says() -> None:
    told = line("77334", "LT", "59", "26")
    result = looked_at([told])
    assert [h.code for h in result.holds] == ["modifier-order"]
    assert result.holds[0].detail.endswith("In order: 26, 59, LT.")
    assert result.holds[0].why.rule.id == "modifier-order"
    mended = looked_at([told], center(payer_options={"edits.modifier_order": "sort"}))
    assert [c.modifiers for c in mended.charges] == [("26", "59", "LT")]
    left = looked_at([told], center(payer_options={"edits.modifier_order": "off"}))
    assert [c.modifiers for c in left.charges] == [told.modifiers]


def test_four_modifiers_fit_a_line() -> None:
    assert passed(looked_at([line("77334", "26", "59", "LT", "KX")])) == ["77334-26-59-LT-KX"]
    (hold,) = looked_at([line("77334", "26", "59", "LT", "KX", "Q1")]).holds
    assert hold.code == "modifier-conflict"
    assert hold.detail.endswith("5 modifiers, 4 fit a line.")


# ---------------------------------------------------------------- missing ones


def test_a_split_code_needs_its_part_where_the_place_is_split() -> None:
    at = house("hospital")
    bare = [line("77290", entity="physicians"), line("77290", entity="hospital", which="h")]
    result = looked_at(bare, at)
    assert [(c.entity, c.modifiers) for c in result.charges] == [("hospital", ())]
    (hold,) = result.holds
    assert (hold.code, hold.why.rule.id) == ("modifier-missing", "modifiers-required")
    assert hold.detail.endswith("Modifier 26.")
    assert passed(looked_at([line("77290", "26", entity="physicians")], at)) == ["77290-26"]
    assert passed(looked_at([line("77290")])) == ["77290"]
    assert passed(looked_at([line("77427", entity="physicians")], at)) == ["77427"]


def test_a_visit_beside_a_procedure_needs_25() -> None:
    assert kept(looked_at([line("99213"), line("77332")])) == [("modifier-missing", "99213")]
    assert passed(looked_at([line("99213")])) == ["99213"]
    assert passed(looked_at([line("99213", "57"), line("77332")])) == ["77332", "99213-57"]
    assert passed(looked_at([line("99213", "25"), line("77332")])) == ["77332", "99213-25"]
    off = center(payer_options={"edits.modifiers": "off", "edits.pairs": "off"})
    assert passed(looked_at([line("99213"), line("77332")], off)) == ["77332", "99213"]


def test_of_sessions_of_one_code_all_but_one_say_that_they_repeat() -> None:
    two = [line("77402", which="a"), line("77402", which="b")]
    result = looked_at(two)
    assert [c.slot.key for c in result.charges] == ["a"]
    assert kept(result) == [("modifier-missing", "77402")]
    assert result.holds[0].detail.endswith("Modifier 76.")
    for told in ([line("77402"), line("77402", "76")], [line("77402", "59"), line("77402")]):
        assert len(looked_at(told).charges) == 2
    assert len(looked_at([line("77332", which="a"), line("77332", which="b")]).charges) == 2


def test_the_lines_that_we_derive_lack_nothing() -> None:
    """Two sessions of a date, a plan with its devices, at a hospital: what is held is held for other reasons."""
    events = [
        report("fraction", f"2026-05-18T{hour}:00", technique="3d", modality="photon", isocenters=1, n=n)
        for n, hour in enumerate(("08", "15"), 1)
    ]
    events += [report("simulation", "2026-05-18T10:00", complexity="complex")]
    for setting in ("hospital", "freestanding"):
        outcomes = screened(events, house(setting))
        assert outcomes.charges
        assert not [h for h in held(outcomes.holds) if h[0].startswith("modifier")]
