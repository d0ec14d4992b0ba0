"""Edits over loaded editions: who falls, what the hold names, and the bill that an edition changes."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.explain import explain, hold_id
from adapters.model.charge import Release
from adapters.model.tables import LimitRow, PairRow, TableKind
from tests.edits.lines import DAY, center, kept, line, looked_at, over, passed
from tests.model.clinic import background, fed, fraction, house, moment, report
from tests.rules.held import ALWAYS, addons, edition, hcpcs, listed, mue, ncci, pair, tables

A, B, C, D = "A0001", "B0001", "C0001", "D0001"
LISTED = hcpcs(*(listed(code) for code in (A, B, C, D)))


# ---------------------------------------------------------------- an edition changes a bill


def test_a_loaded_pair_changes_the_bill_and_the_explanation_names_the_edition() -> None:
    """Without the edition a dose calculation goes out beside the planning of its date; the edition takes it away."""
    at, now = house("freestanding"), moment("2026-02-20")
    events = [
        *background(),
        report("planning", "2026-02-02T09:00", complexity="complex"),
        report("dosimetry-calc", "2026-02-02T10:00", count=2),
    ]
    before = fed(events, at, now)
    assert [[line.code for line in c.claim.lines] for c in before.claims] == [["77263", "77300"]]
    assert not before.holds
    new = tables(ncci(pair("77263", "77300", "0", date(2026, 1, 1))))
    record = fed(events, over(new, at), now)
    assert [[line.code for line in c.claim.lines] for c in record.claims] == [["77263"]]
    assert record.claims[0].claim.total < before.claims[0].claim.total
    (hold,) = record.holds
    assert (hold.code, hold.release, hold.why.rule.id) == ("bundled", Release.NEVER, "ncci.practitioner")
    found = explain(record, hold_id(hold), over(new, at).rules, lambda message: message)
    assert found is not None
    said = list(found.lines())
    assert "Included in another service that is paid. 77263 includes 77300 (ncci.practitioner 2026Q4)." in [
        words for _, words, _ in said
    ]
    (rule,) = [
        source
        for _, words, source in said
        if words == "rule ncci.practitioner: CMS NCCI procedure-to-procedure edits, practitioner, release 2026Q4"
    ]
    assert rule.startswith("ncci.practitioner 2026Q4, since 2026-01-01, ")
    day_before = [replace(e, day=date(2025, 12, 31)) for e in events[3:]]
    assert not fed([*events[:3], *day_before], over(new, at), now).holds


def test_an_edition_takes_the_place_of_our_pairs() -> None:
    """Ours lets 77263 fall beside 77301; the edition has no such pair."""
    lines = [line("77301"), line("77263")]
    assert passed(looked_at(lines)) == ["77301"]
    assert passed(looked_at(lines, over(tables(ncci())))) == ["77263", "77301"]


def test_the_table_goes_by_the_form_of_the_entitys_claims() -> None:
    at = over(tables(ncci(pair("77300", "77334", "0")), ncci(pair("77334", "77300", "0"), scope="hospital")))
    hospital = over(at.tables, house("hospital"))
    told = [
        line(code, *m, entity=e) for code in ("77300", "77334") for e, m in (("hospital", ()), ("physicians", ("26",)))
    ]
    result = looked_at(told, hospital)
    assert sorted((c.entity, c.code) for c in result.charges) == [("hospital", "77334"), ("physicians", "77300")]
    assert {(h.would.entity, h.why.rule.file) for h in result.holds if h.would} == {
        ("hospital", "ncci.hospital 2026Q4"),
        ("physicians", "ncci.practitioner 2026Q4"),
    }


# ---------------------------------------------------------------- pairs


@pytest.mark.parametrize(
    ("rows", "stay"),
    [
        ((pair(A, B, "0"), pair(B, C, "0")), [A, C]),
        ((pair(C, B, "0"), pair(B, A, "0")), [A, C]),
        ((pair(A, B, "0"), pair(B, C, "0"), pair(C, D, "0")), [A, C]),
        ((pair(A, B, "9"), pair(B, C, "0")), [A, B]),
        ((pair(A, B, "0"), pair(B, C, "0"), pair(C, A, "0")), [A]),
        ((pair(B, A, "0"), pair(C, A, "1")), [B, C]),
    ],
    ids=["chain", "chain-upwards", "four", "nine-says-nothing", "ring", "two-fell-one"],
)
def test_only_a_line_that_stands_fells_another(rows: tuple[PairRow, ...], stay: list[str]) -> None:
    """However the lines and the rows come."""
    codes = sorted({c for row in rows for c in (row.column1, row.column2)})
    for told in itertools.permutations(codes):
        for edits in (rows, rows[::-1]):
            assert passed(looked_at([line(c) for c in told], over(tables(ncci(*edits), LISTED)))) == stay


def test_what_no_modifier_opens_is_told_before_what_one_opens() -> None:
    at = over(tables(ncci(pair(A, C, "1"), pair(B, C, "0")), LISTED))
    assert kept(looked_at([line(A), line(B), line(C)], at)) == [("bundled", C)]
    assert kept(looked_at([line(A), line(C)], at)) == [("pair-conflict", C)]


@pytest.mark.parametrize(
    ("one", "two", "day", "stays"),
    [
        ((), ("59",), DAY, True),
        ((), ("XU",), DAY, True),
        (("XS",), (), DAY, True),
        (("XS",), (), date(2019, 6, 30), False),
        ((), ("XS",), date(2019, 6, 30), True),
        (("XS",), (), date(2019, 7, 1), True),
        ((), ("76",), DAY, False),
        ((), ("26",), DAY, False),
        ((), (), DAY, False),
    ],
)
def test_a_modifier_opens_an_indicator_one_from_either_column_since_july_2019(
    one: tuple[str, ...], two: tuple[str, ...], day: date, stays: bool
) -> None:
    at = over(tables(ncci(pair(A, B, "1")), LISTED))
    result = looked_at([line(A, *one, day=day), line(B, *two, day=day)], at)
    assert (len(result.charges) == 2) is stays
    assert [h.code for h in result.holds] == ([] if stays else ["pair-conflict"])
    closed = over(tables(ncci(pair(A, B, "0")), LISTED))
    assert len(looked_at([line(A, *one, day=day), line(B, *two, day=day)], closed).charges) == 1


def test_a_column_one_line_without_the_modifier_still_fells() -> None:
    at = over(tables(ncci(pair(A, B, "1")), LISTED))
    lines = [line(A, "XS"), line(A, which="plain"), line(B)]
    assert kept(looked_at(lines, at)) == [("pair-conflict", B)]


def test_a_visit_is_opened_by_25_and_not_by_59() -> None:
    at = over(tables(ncci(pair("77300", "99213", "1"))))
    assert passed(looked_at([line("77300"), line("99213", "25")], at)) == ["77300", "99213-25"]
    assert kept(looked_at([line("77300"), line("99213")], at)) == [("pair-conflict", "99213")]
    assert kept(looked_at([line("77300"), line("99213", "59")], at)) == [("modifier-conflict", "99213-59")]


CODES = tuple(f"K{n:04}" for n in range(6))
_ROWS = st.lists(
    st.tuples(
        st.sampled_from(CODES),
        st.sampled_from(CODES),
        st.sampled_from("0019"),
        st.sampled_from([ALWAYS, date(2020, 1, 1)]),
        st.sampled_from([None, date(2025, 12, 31)]),
    ).filter(lambda row: row[0] != row[1]),
    max_size=14,
)
_LINES = st.lists(
    st.tuples(
        st.sampled_from(CODES), st.sampled_from(["", "59", "XS", "LT"]), st.sampled_from([DAY, date(2026, 2, 3)])
    ),
    min_size=1,
    max_size=9,
    unique_by=lambda told: (told[0], told[2]),
)


@given(_ROWS, _LINES, st.randoms(use_true_random=False))
def test_what_goes_out_does_not_depend_on_the_order_of_lines_or_rows(
    told_rows: list[tuple[str, str, str, date, date | None]],
    told_lines: list[tuple[str, str, date]],
    chance: random.Random,
) -> None:
    rows = [
        pair(one, two, "1" if i % 3 else indicator, *days) for i, (one, two, indicator, *days) in enumerate(told_rows)
    ]
    lines = [line(code, *filter(None, (modifier,)), day=day) for code, modifier, day in told_lines]
    limits = [LimitRow(code, 1, "3") for code in CODES[::2]]
    carried = [(CODES[0], CODES[1], "1"), (CODES[1], CODES[2], "3")]

    def result() -> tuple[list[str], list[tuple[str, str, str]]]:
        known = hcpcs(*(listed(code) for code in CODES))
        found = looked_at(lines, over(tables(ncci(*rows), mue(*limits), addons(*carried), known)))
        slots = sorted((c.slot.key, h) for c, h in ((c, "due") for c in found.charges))
        return (
            [key for key, _ in slots],
            sorted((h.slot.key, h.code, h.detail) for h in found.holds),
        )

    straight = result()
    assert len(straight[0]) + len(straight[1]) == len(lines)
    chance.shuffle(rows)
    chance.shuffle(lines)
    assert result() == straight


@given(
    st.lists(st.sampled_from(["08", "10", "12", "15"]), min_size=2, max_size=4, unique=True),
    st.randoms(use_true_random=False),
)
def test_the_earlier_session_goes_out_however_the_reports_come(hours: list[str], chance: random.Random) -> None:
    """MAI 3: of lines of one code and date those past the limit are held, in the order of service."""
    at = over(tables(mue(LimitRow("77407", 1, "3"))))
    events = [fraction(f"2026-02-02T{hour}:00", n, uid=f"2.25.{hour}") for n, hour in enumerate(sorted(hours), 1)]
    chance.shuffle(events)
    record = fed([*background(), *events], at, moment("2026-02-20"))
    due = [c.charge.slot.key for c in record.charges if c.charge.slot.service == "delivery"]
    assert due == [f"uid:2.25.{min(hours)}"]
    assert {h.code for h in record.holds} == {"units-exceeded"}


# ---------------------------------------------------------------- units


@pytest.mark.parametrize(
    ("mai", "units", "passing", "held"),
    [
        ("1", (3, 3), 2, 0),
        ("1", (4, 3), 1, 1),
        ("2", (2, 1), 2, 0),
        ("2", (2, 2), 0, 2),
        ("3", (2, 1, 1), 2, 1),
        ("3", (4, 1), 0, 2),
    ],
)
def test_the_hold_names_limit_edition_and_release(mai: str, units: tuple[int, ...], passing: int, held: int) -> None:
    at = over(tables(mue(LimitRow("77332", 3, mai))))
    lines = [line("77332", units=n, which=str(i)) for i, n in enumerate(units)]
    result = looked_at(lines, at)
    assert (len(result.charges), len(result.holds)) == (passing, held)
    for hold in result.holds:
        assert (hold.code, hold.why.rule.id) == ("units-exceeded", "mue.practitioner")
        assert hold.detail.endswith(f"{sum(units)} units, the limit is 3 (mue.practitioner 2026Q4).")
        assert ("unit limit of the date", "3") in [(f.name, f.value) for f in hold.why.facts]


def test_a_limit_of_none_holds_the_first_unit() -> None:
    assert kept(looked_at([line("77332")], over(tables(mue(LimitRow("77332", 0, "2")))))) == [
        ("units-exceeded", "77332")
    ]


def test_discarded_units_count_with_the_given_ones_unless_the_payer_counts_them_apart() -> None:
    drug = tables(hcpcs(listed("J9001")), mue(LimitRow("J9001", 10, "3")))
    lines = [line("J9001", units=8), line("J9001", "JW", units=4)]
    assert kept(looked_at(lines, over(drug))) == [("units-exceeded", "J9001-JW")]
    apart = over(drug, center(payer_options={"edits.wastage": "apart"}))
    assert passed(looked_at(lines, apart)) == ["J9001", "J9001-JW"]
    too_many = [lines[0], replace(lines[1], units=11)]
    assert kept(looked_at(too_many, apart)) == [("units-exceeded", "J9001-JW")]


# ---------------------------------------------------------------- add-ons


def test_an_add_on_goes_with_a_listed_primary_or_by_its_type() -> None:
    def left(type_: str, *codes: str, option: str = "take") -> list[str]:
        at = center(payer_options={"edits.unlisted_primary": option})
        return passed(looked_at([line(c) for c in codes], over(tables(addons((A, B, type_)), LISTED), at)))

    assert left("1", A, B) == [A, B]
    assert left("1", A, C) == [C]
    assert left("3", A, C) == [A, C]
    assert left("3", A, C, option="hold") == [C]
    assert left("3", A, B, option="hold") == [A, B]
    assert left("3", A) == []


def test_add_ons_that_name_one_another_carry_neither_and_a_carried_one_carries() -> None:
    ring = tables(addons((A, B, "1"), (B, A, "1")), LISTED)
    assert kept(looked_at([line(A), line(B)], over(ring))) == [
        ("addon-without-primary", A),
        ("addon-without-primary", B),
    ]
    chain = tables(addons((A, B, "1"), (B, C, "1")), LISTED)
    assert passed(looked_at([line(A), line(B), line(C)], over(chain))) == [A, B, C]
    result = looked_at([line(A), line(B)], over(chain))
    assert kept(result) == [("addon-without-primary", A), ("addon-without-primary", B)]
    assert [h.why.rule.file for h in result.holds] == ["aoc 2026Q4"] * 2


def test_an_add_on_without_primary_fells_nothing_and_one_whose_primary_falls_goes_too() -> None:
    alone = tables(addons((A, D, "1")), ncci(pair(A, B, "0")), LISTED)
    assert passed(looked_at([line(A), line(B)], over(alone))) == [B]
    fallen = tables(addons((A, B, "1")), ncci(pair(C, B, "0")), LISTED)
    assert kept(looked_at([line(A), line(B), line(C)], over(fallen))) == [("addon-without-primary", A), ("bundled", B)]


# ---------------------------------------------------------------- codes, prices, outdated editions


def test_a_code_that_a_loaded_table_has_goes_out_on_its_days_only() -> None:
    at = over(tables(hcpcs(listed("J9001", date(2026, 1, 1), date(2026, 1, 31)))))
    in_time, late = line("J9001", day=date(2026, 1, 31)), line("J9001", day=date(2026, 2, 1))
    assert passed(looked_at([in_time, late], at)) == ["J9001"]
    assert kept(looked_at([in_time, late], at)) == [("not-effective", "J9001")]
    nobodys = line("J9002")
    assert kept(looked_at([nobodys], at)) == [("not-effective", "J9002")]
    lets = over(at.tables, center(payer_options={"edits.unknown_codes": "pass"}))
    assert passed(looked_at([nobodys, late], lets)) == ["J9002"]


@pytest.mark.parametrize("price", [None, Decimal("0.00")])
def test_nothing_goes_out_without_a_price(price: Decimal | None) -> None:
    result = looked_at([replace(line("77300"), price=price)])
    assert [(h.code, h.release) for h in result.holds] == [("price-missing", Release.PERSON)]


def test_what_rests_on_an_edition_past_its_end_says_so_once_a_line() -> None:
    ended = date(2025, 12, 31)
    old = tables(
        ncci(pair("77263", "77300", "0"), release="2025Q4", end=ended),
        mue(LimitRow("77300", 10, "3"), release="2025Q4", end=ended),
        ncci(scope="hospital", release="2025Q4", end=ended),
    )
    at = over(old)
    result = looked_at([line("77263"), line("77300"), line("77290", day=ended)], at)
    assert [(f.kind, f.value, f.slot and f.slot.key.partition("|")[0]) for f in result.findings] == [
        ("table-outdated", "mue.practitioner 2025Q4, ncci.practitioner 2025Q4", "77263"),
        ("table-outdated", "mue.practitioner 2025Q4, ncci.practitioner 2025Q4", "77300"),
    ]
    assert at.rules.finding_words("table-outdated")
    assert kept(result) == [("bundled", "77300")]
    alone = looked_at([line("77300")], at)
    assert [f.value for f in alone.findings] == ["mue.practitioner 2025Q4"]
    off = over(old, center(payer_options={"edits.units": "off", "edits.pairs": "off"}))
    assert not looked_at([line("77263"), line("77300")], off).findings
    assert not looked_at([line("77263"), line("77300")]).findings


def test_the_finding_reaches_the_record() -> None:
    at = over(tables(mue(LimitRow("77407", 2, "3"), release="2025Q4", end=date(2025, 12, 31))))
    record = fed([*background(), fraction("2026-02-02T09:00", 1)], at, moment("2026-02-20"))
    assert [(f.kind, f.value) for f in record.findings] == [("table-outdated", "mue.practitioner 2025Q4")]
    assert [c.charge.code for c in record.charges] == ["77407"]


def test_a_hold_by_a_rule_past_its_review_says_so() -> None:
    lines = [line("77300", "26", "TC", day=date(2027, 2, 1))]
    assert not looked_at(lines).findings
    rules = center().rules
    stale = replace(
        rules.rule("modifiers"),
        versions=tuple(replace(v, review_by=date(2027, 1, 1)) for v in rules.rule("modifiers").versions),
    )
    house_ = center()
    at = type(house_).of(replace(rules, by_id={**rules.by_id, "modifiers": stale}), house_.site)
    assert [(f.kind, f.value) for f in looked_at(lines, at).findings] == [("rule-unreviewed", "modifiers")]


def test_a_modifier_that_the_hcpcs_file_has_ended_holds_the_line() -> None:
    at = over(tables(hcpcs(listed("JG", end=date(2024, 12, 31), modifier=True))))
    assert kept(looked_at([line("77300", "JG")], at)) == [("modifier-conflict", "77300-JG")]
    assert passed(looked_at([line("77300", "JG", day=date(2024, 12, 31))], at)) == ["77300-JG"]
    assert passed(looked_at([line("77300", "ZZ")], at)) == ["77300-ZZ"]


def test_the_edition_of_one_day_does_not_answer_for_another() -> None:
    early = edition(TableKind.MUE, LimitRow("77300", 1, "3"), scope="practitioner", release="2025Q4")
    late = edition(TableKind.MUE, LimitRow("77300", 5, "3"), scope="practitioner", start=date(2026, 2, 1))
    at = over(tables(early, late))
    lines = [line("77300", units=2), line("77300", units=2, day=date(2026, 1, 31))]
    result = looked_at(lines, at)
    assert [(h.would.start if h.would else None, h.why.rule.file) for h in result.holds] == [
        (date(2026, 1, 31), "mue.practitioner 2025Q4")
    ]
