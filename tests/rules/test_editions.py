"""What `rules check` says of editions and versions: disagreements, gaps, overlaps, what is stale or missing."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from adapters.model.tables import LimitRow, ScheduleRow
from adapters.rules import Ruleset, check, load
from adapters.rules.check import codes_of
from adapters.rules.editions import Disagreement, disagreements, ended
from tests.rules.held import addons, hcpcs, listed, mue, ncci, pair, schedule, tables

DAY = date(2026, 2, 2)


def only(rules: Ruleset, *codes: str) -> Ruleset:
    """The rules with these codes typed and no others, and the pairs between them."""
    pairs = {pair: rows for pair, rows in rules.exclusions.items() if set(pair) <= set(codes)}
    return replace(rules, codes={code: rules.codes[code] for code in codes}, exclusions=pairs)


def test_each_disagreement_names_code_column_both_values_and_edition(rules: Ruleset) -> None:
    few = only(rules, "77290", "77293", "77300", "77301")
    loaded = tables(
        schedule(ScheduleRow("77300", "", "A", "3"), ScheduleRow("77290", "TC", "B", "1")),
        mue(LimitRow("77300", 12, "2"), LimitRow("77290", 1, "3"), LimitRow("77301", 1, "3")),
        addons(("77293", "77301", "1"), ("77300", "77263", "1")),
        ncci(pair("77301", "77290", "1"), pair("77300", "77301", "0")),
    )
    assert disagreements(few, loaded, DAY) == (
        Disagreement("77290", "tc_bundled", "no", "yes", "pfs 2026A"),
        Disagreement("77293", "addon_of", "77295 77301", "77301", "aoc 2026Q4"),
        Disagreement("77293", "mue", "1", "", "mue.practitioner 2026Q4"),
        Disagreement("77300", "addon_of", "", "77263", "aoc 2026Q4"),
        Disagreement("77300", "mai", "3", "2", "mue.practitioner 2026Q4"),
        Disagreement("77300", "mue", "10", "12", "mue.practitioner 2026Q4"),
        Disagreement("77300", "pctc", "1", "3", "pfs 2026A"),
        Disagreement("77300 77301", "pair practitioner", "", "0", "ncci.practitioner 2026Q4"),
        Disagreement("77301 77290", "pair practitioner", "0", "1", "ncci.practitioner 2026Q4"),
    )
    assert str(disagreements(few, loaded, DAY)[2]) == "77293 mue: ours 1, mue.practitioner 2026Q4 says nothing"


def test_a_code_that_only_one_side_has_in_force_disagrees(rules: Ruleset) -> None:
    few = only(rules, "G6015", "77014", "77300")
    loaded = tables(
        hcpcs(listed("G6015")),
        schedule(ScheduleRow("77014", "", "A", "1"), release="2025D"),
        schedule(ScheduleRow("77300", "", "A", "1"), start=date(2026, 1, 1)),
    )
    assert disagreements(few, loaded, DAY) == (Disagreement("G6015", "in force", "no", "yes", "hcpcs 2026-01"),)
    assert disagreements(few, loaded, date(2025, 6, 2)) == (
        Disagreement("77300", "in force", "yes", "no", "pfs 2025D"),
    )
    ending = tables(hcpcs(listed("G6015", end=date(2024, 12, 31))))
    assert disagreements(few, ending, date(2025, 6, 2)) == (
        Disagreement("G6015", "in force", "yes", "no", "hcpcs 2026-01"),
    )


def test_tables_that_say_what_we_typed_do_not_disagree(rules: Ruleset) -> None:
    typed = {code: row for code in rules.codes if (row := rules.attributes(code, DAY)) is not None}
    rows = [LimitRow(c, a.mue, a.mai) for c, a in typed.items() if a.mue is not None]
    pairs = [
        pair(p.column1, p.column2, p.indicator) for p in rules.pairs_among(tuple(rules.codes), DAY, "practitioner")
    ]
    assert len(pairs) > 50
    assert disagreements(rules, tables(mue(*rows), ncci(*pairs)), DAY) == ()
    assert disagreements(rules, tables(), DAY) == ()
    fewer = disagreements(rules, tables(mue(*rows), ncci(*pairs[1:])), DAY)
    assert [(d.column, d.theirs) for d in fewer] == [("pair practitioner", "")]


def test_editions_that_have_run_out_are_named_until_a_later_one_is_there() -> None:
    old = schedule(ScheduleRow("77300", "", "A", "1"), release="2025D", end=date(2025, 12, 31))
    new = schedule(ScheduleRow("77300", "", "A", "1"), start=date(2026, 1, 1))
    assert [e.name for e in ended(tables(old), DAY)] == ["pfs 2025D"]
    assert ended(tables(old), date(2025, 12, 31)) == ()
    assert ended(tables(old, new), DAY) == ()


# ---------------------------------------------------------------- versions


def test_every_version_that_names_codes_and_still_holds_has_a_day_of_review(rules: Ruleset) -> None:
    """A code year ends with December; who names codes is to be looked at before the next one."""
    open_ended = [rule.versions[0] for rule in rules.rules if not rule.versions[0].ended]
    naming = {version.ref.id: version.review_by for version in open_ended if codes_of(version)}
    assert {"delivery", "guidance", "services", "management", "physics", "port-images"} <= set(naming)
    assert {id: day for id, day in naming.items() if day is None} == {}


def test_a_version_past_its_review_says_whether_a_later_one_is_written(small: dict[str, bytes]) -> None:
    ruleset = load(small)
    assert isinstance(ruleset, Ruleset)
    assert [p.message for p in check(ruleset, date(2026, 6, 1))] == ["rule: review was due by 2026-01-01"]
    body = small["rule.toml"].partition(b"[[versions]]\nsince = 2027-01-01")[0]
    without = load(small | {"rule.toml": body})
    assert isinstance(without, Ruleset)
    assert [p.message for p in check(without, date(2026, 6, 1))] == [
        "rule: review was due by 2026-01-01, and no later version is written"
    ]


def test_days_that_no_row_of_a_code_or_pair_has_are_told(small: dict[str, bytes]) -> None:
    header, first, *rest = small["codes/attributes.csv"].split(b"\n")
    gap = b"\n".join((header, first.replace(b"2024-12-31", b"2024-06-30"), *rest))
    ruleset = load(small | {"codes/attributes.csv": gap})
    assert isinstance(ruleset, Ruleset)
    assert [str(p) for p in check(ruleset)] == [
        "codes/attributes.csv:0: 77402: no row between 2024-06-30 and 2025-01-01"
    ]


def test_two_rows_of_one_day_are_told_though_they_stand_under_two_tables(small: dict[str, bytes]) -> None:
    """`both` and `hospital` are no overlap for the file; for the hospital they are two rows."""
    body = b"""column1,column2,table,from,to,indicator,rationale,cite
77301,77290,both,2024-07-01,,0,part of it,house
77301,77290,hospital,2025-07-01,,1,part of it,house
"""
    ruleset = load(small | {"edits/pairs.csv": body})
    assert isinstance(ruleset, Ruleset)
    assert [p.message for p in check(ruleset)] == ["77301 77290: two rows hold on 2025-07-01"]
