"""Loaded editions over our typed facts: which one answers, what it cites, and what stays ours."""

from __future__ import annotations

from datetime import date

import pytest

from adapters.model.tables import LimitRow, ScheduleRow, TableKind
from adapters.rules import Ruleset
from adapters.rules.loaded import BOUND, Loaded
from tests.rules.held import addons, edition, hcpcs, listed, mue, ncci, pair, schedule, tables

D2025, D2026 = date(2025, 6, 2), date(2026, 2, 2)


def test_without_tables_our_facts_answer_and_they_can_be_taken_away_again(rules: Ruleset) -> None:
    over = rules.with_tables(tables(mue(LimitRow("77300", 3, "2"))))
    assert rules.tables is None
    assert over.tables is not None
    assert over.with_tables(None).tables is None
    assert over.digest == rules.digest
    ours = rules.limit("77300", D2026, "practitioner")
    again = over.with_tables(None).limit("77300", D2026, "practitioner")
    assert ours == again
    assert ours is not None
    assert (ours.units, ours.mai, ours.ref.file) == (10, "3", "codes/attributes.csv")


def test_a_limit_comes_from_the_edition_of_its_table_and_cites_it(rules: Ruleset) -> None:
    over = rules.with_tables(tables(mue(LimitRow("77300", 3, "2"))))
    limit = over.limit("77300", D2026, "practitioner")
    assert limit is not None
    assert (limit.units, limit.mai, limit.outdated) == (3, "2", ())
    held = over.tables.edition(TableKind.MUE, D2026, "practitioner") if over.tables else None
    assert held is not None
    assert (limit.ref.id, limit.ref.file, limit.ref.since, limit.ref.digest, limit.ref.cite) == (
        "mue.practitioner",
        "mue.practitioner 2026Q4",
        held.start,
        held.digest,
        "CMS NCCI medically unlikely edits, practitioner, release 2026Q4",
    )
    hospital = over.limit("77300", D2026, "hospital")
    assert hospital is not None
    assert (hospital.units, hospital.ref.file) == (10, "codes/attributes.csv")
    assert over.limit("77334", D2026, "practitioner") is None
    merged = over.attributes("77300", D2026)
    assert merged is not None
    assert (merged.mue, merged.mue_hospital, merged.mai) == (3, 10, "2")
    assert over.attributes("77300", D2026) is merged


def test_an_edition_answers_only_from_its_first_day(rules: Ruleset) -> None:
    late = edition(TableKind.MUE, LimitRow("77300", 3, "2"), scope="practitioner", start=date(2026, 1, 1))
    over = rules.with_tables(tables(late))
    before, after = over.limit("77300", D2025, "practitioner"), over.limit("77300", D2026, "practitioner")
    assert before is not None
    assert after is not None
    assert (before.units, after.units) == (10, 3)


def test_an_edition_past_its_end_answers_and_says_so(rules: Ruleset) -> None:
    ended = date(2025, 12, 31)
    over = rules.with_tables(
        tables(
            mue(LimitRow("77300", 3, "2"), release="2025Q4", end=ended),
            ncci(pair("77263", "77300", "0"), release="2025Q4", end=ended),
            schedule(ScheduleRow("77300", "", "A", "1"), release="2025D", end=ended),
        )
    )
    limit, code = over.limit("77300", D2026, "practitioner"), over.attributes("77300", D2026)
    found = over.pairs("77300", "77263", D2026, "practitioner")
    assert limit is not None
    assert code is not None
    assert found is not None
    assert (limit.outdated, code.outdated) == (("mue.practitioner 2025Q4",), ("pfs 2025D",))
    assert found.outdated == ("ncci.practitioner 2025Q4",)
    assert over.outdated(TableKind.MUE, ended, "practitioner") == ""
    assert over.outdated(TableKind.MUE, D2026, "practitioner") == "mue.practitioner 2025Q4"
    assert over.outdated(TableKind.AOC, D2026) == ""
    early = over.limit("77300", ended, "practitioner")
    assert early is not None
    assert early.outdated == ()


# ---------------------------------------------------------------- codes


def test_the_fee_schedule_outranks_split_and_status_and_leaves_the_rest_ours(rules: Ruleset) -> None:
    rows = (
        ScheduleRow("77300", "", "B", "3"),
        ScheduleRow("77290", "", "A", "1"),
        ScheduleRow("77290", "26", "A", "1"),
        ScheduleRow("77290", "TC", "B", "1"),
    )
    over = rules.with_tables(tables(schedule(*rows)))
    ours, merged, split = (
        rules.attributes("77300", D2026),
        over.attributes("77300", D2026),
        over.attributes("77290", D2026),
    )
    assert ours is not None
    assert merged is not None
    assert split is not None
    assert (merged.pctc, merged.status, merged.ref.id, merged.ref.file) == ("3", "B", "pfs", "pfs 2026A")
    assert (merged.label, merged.service, merged.packaged_technical, merged.mue) == (
        ours.label,
        ours.service,
        ours.packaged_technical,
        ours.mue,
    )
    assert (split.pctc, split.tc_bundled) == ("1", True)


def test_of_a_code_that_medicare_does_not_take_only_the_status_counts(rules: Ruleset) -> None:
    over = rules.with_tables(tables(schedule(ScheduleRow("77387", "", "I", "0"), ScheduleRow("0001T", "", "I", "0"))))
    merged, unknown = over.attributes("77387", D2026), over.attributes("0001T", D2026)
    assert merged is not None
    assert unknown is not None
    assert (merged.status, merged.pctc, merged.tc_bundled, merged.ref.file) == ("I", "1", True, "codes/attributes.csv")
    assert (unknown.status, unknown.pctc, unknown.service, unknown.ref.file) == ("I", "0", "", "pfs 2026A")


def test_a_code_is_in_force_as_the_schedules_of_its_years_say(rules: Ruleset) -> None:
    """77014 is of 2025 alone; a code of no schedule is ours to know; one of neither is nobody's."""
    over = rules.with_tables(
        tables(
            schedule(ScheduleRow("77014", "", "A", "1"), release="2025D", end=date(2025, 12, 31)),
            schedule(ScheduleRow("99499", "", "A", "0"), start=date(2026, 1, 1)),
        )
    )
    assert over.attributes("77014", D2025) is not None
    assert over.attributes("77014", D2026) is None
    assert over.attributes("77300", D2026) == rules.attributes("77300", D2026)
    assert over.attributes("99499", D2025) is None
    known = over.attributes("99499", D2026)
    assert known is not None
    assert (known.start, known.service, known.label) == (date(2026, 1, 1), "", "")
    assert [over.knows(code) for code in ("77014", "99499", "77300", "00000")] == [True, True, True, False]
    assert over.attributes("00000", D2026) is None


def test_a_level_two_code_is_in_force_as_the_hcpcs_file_says(rules: Ruleset) -> None:
    over = rules.with_tables(
        tables(
            hcpcs(listed("J9003"), listed("J9001", end=date(2025, 12, 31)), listed("G6015", end=date(2024, 12, 31))),
            schedule(ScheduleRow("J9001", "", "E", "9"), ScheduleRow("G0000", "", "A", "0"), start=date(2025, 1, 1)),
        )
    )
    drug = over.attributes("J9003", D2026)
    assert drug is not None
    assert (drug.label, drug.service, drug.ref.id, drug.ref.file) == ("short J9003", "", "hcpcs", "hcpcs 2026-01")
    assert (over.attributes("J9001", D2025), over.attributes("J9001", D2026)) != (None, None)
    assert over.attributes("J9001", D2026) is None
    assert over.attributes("G6015", D2025) is None
    assert rules.attributes("G6015", D2025) is not None
    assert over.attributes("G0000", D2026) is not None
    assert over.attributes("G6001", D2025) == rules.attributes("G6001", D2025)


# ---------------------------------------------------------------- pairs


def test_where_an_edition_answers_our_pairs_are_silent(rules: Ruleset) -> None:
    over = rules.with_tables(tables(ncci(pair("77300", "77301", "1", date(2024, 1, 1)))))
    found = over.pairs("77301", "77300", D2026, "practitioner")
    assert found is not None
    assert (found.column1, found.column2, found.indicator, found.table) == ("77300", "77301", "1", "practitioner")
    assert (found.ref.id, found.ref.file, found.ref.since) == (
        "ncci.practitioner",
        "ncci.practitioner 2026Q4",
        date(2024, 1, 1),
    )
    assert rules.pairs("77301", "77290", D2026, "practitioner") is not None
    assert over.pairs("77301", "77290", D2026, "practitioner") is None
    assert over.pairs("77301", "77290", D2026, "hospital") is not None


@pytest.mark.parametrize(
    ("rows", "day", "expected"),
    [
        ((pair("77300", "77301", "0", date(2020, 1, 1), date(2025, 12, 31)),), D2026, None),
        (
            (
                pair("77300", "77301", "0", date(2020, 1, 1), date(2024, 12, 31)),
                pair("77300", "77301", "1", date(2025, 1, 1)),
            ),
            D2025,
            ("77300", "1"),
        ),
        (
            (
                pair("77300", "77301", "0", date(2020, 1, 1), date(2025, 12, 31)),
                pair("77300", "77301", "1", date(2025, 1, 1)),
            ),
            D2025,
            ("77300", "1"),
        ),
        ((pair("77300", "77301", "0"), pair("77301", "77300", "1", date(2020, 1, 1))), D2026, ("77301", "1")),
        ((pair("77300", "77301", "1"), pair("77301", "77300", "0")), D2026, ("77301", "0")),
        ((pair("77300", "77301", "1"), pair("77301", "77300", "1")), D2026, ("77300", "1")),
    ],
    ids=["past", "windows", "overlapping-windows", "later-direction", "closed-direction", "lower-column-one"],
)
def test_of_windows_and_directions_one_decides(
    rules: Ruleset, rows: tuple[object, ...], day: date, expected: tuple[str, str] | None
) -> None:
    for told in (rows, rows[::-1]):
        over = rules.with_tables(tables(ncci(*told)))  # type: ignore[arg-type]
        for codes in (("77300", "77301"), ("77301", "77300")):
            found = over.pairs(*codes, day, "practitioner")
            assert (None if found is None else (found.column1, found.indicator)) == expected


# ---------------------------------------------------------------- add-ons and memory


def test_an_add_on_has_the_primaries_and_type_of_its_edition(rules: Ruleset) -> None:
    over = rules.with_tables(tables(addons(("77300", "77263", "3"), ("77300", "77262", "3"), ("77331", "", "2"))))
    some, none = over.addons("77300", D2026), over.addons("77331", D2026)
    assert some is not None
    assert none is not None
    assert (some.primaries, some.type, some.ref.id) == (("77262", "77263"), "3", "aoc")
    assert (none.primaries, none.type) == ((), "2")
    assert over.addons("77293", D2026) is None
    merged = over.attributes("77300", D2026)
    assert merged is not None
    assert merged.addon_of == ("77262", "77263")
    ours = rules.addons("77293", D2026)
    assert ours is not None
    assert (ours.primaries, ours.type, ours.ref.file) == (("77295", "77301"), "1", "codes/attributes.csv")
    assert rules.addons("77300", D2026) is None


def test_what_is_remembered_is_bounded(rules: Ruleset) -> None:
    loaded = Loaded(tables(mue(LimitRow("77300", 3, "2"))))
    for number in range(BOUND + 5):
        loaded.limit(f"{number:05}", D2026, "practitioner")
    assert len(loaded._limits) <= BOUND
    found = loaded.limit("77300", D2026, "practitioner")
    assert found is not None
    assert found.units == 3
