"""Reading a case: scalars typed by their place, and every fault of a file at once, each with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.cases.case import Case, read_case
from adapters.cases.document import LINE
from adapters.cases.options import OPTIONS, settled_by
from adapters.cases.place import house_of
from adapters.cases.story import told
from adapters.rules import Ruleset
from adapters.settings import rules_of

SAID = (Path(__file__).parent / "stories" / "story-levels.yaml").read_text(encoding="utf-8")
CLAIMS = (Path(__file__).parent / "stories" / "story-claims.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def rules() -> Ruleset:
    return rules_of(())


def case(content: str) -> Case:
    read = read_case(content, "a.yaml")
    assert isinstance(read, Case), read
    return read


def faults(content: str) -> list[str]:
    read = read_case(content, "a.yaml")
    assert not isinstance(read, Case)
    return list(read)


def line_of(content: str, words: str) -> int:
    return content[: content.index(words)].count("\n") + 1


def test_scalars_are_what_their_place_says_and_nothing_that_yaml_makes_of_them() -> None:
    read = case(SAID)
    first = read.events[0]
    assert (first.get("n"), first.get("isocenters"), first.get("technique")) == (1, 1, "2d")
    assert first.at.isoformat() == "2026-04-06T08:20:00"
    assert read.expect is not None
    assert read.expect["totals"] == {"77402": 2, "77407": 1, "77412": 3}
    assert read.expect["exact"] is False
    assert read.coverages[0]["to"] is None
    assert first.said[LINE] == line_of(SAID, "{id: f1")


def test_the_keys_of_patient_tell_the_dialect() -> None:
    assert case(SAID).dialect == "radiation oncology"
    assert case(CLAIMS).dialect == "medical oncology"
    assert faults(SAID.replace("{mrn: ST-11, ", "{")) == [
        "a.yaml:1: no dialect: the keys of patient are birth_date mrn sex or birth id sex"
    ]


def test_every_fault_is_told_at_once_with_its_line() -> None:
    content = (
        SAID.replace("setting: hospital-outpatient", "setting: hospice")
        .replace("options: {undocumented_motion: lower-level-plus-hold}", "options: {tea: green, charge_mode: audit}")
        .replace("{id: f2, at: 2026-04-07T08:20, kind: fraction", "{id: f1, at: tomorrow, kind: fraction, colour: red")
        .replace("{id: f6, at", "{id: f6, id: f7, at")
    )
    settings = "freestanding, hospital-outpatient, professional-in-hospital"
    assert faults(content) == [
        f"a.yaml:{line_of(content, 'setting:')}: the case.setting must be one of {settings}",
        f"a.yaml:{line_of(content, 'options:')}: the case.options has no key 'tea'",
        f"a.yaml:{line_of(content, 'at: tomorrow')}: the case.events has no key 'colour'",
        f"a.yaml:{line_of(content, 'at: tomorrow')}: the case.events.at must be a local time (2026-01-05T09:00)",
        f"a.yaml:{line_of(content, 'id: f7')}: the case.events has the key 'id' twice",
    ]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("{id: f2,", "{id: f1,", "the event id 'f1' is used twice"),
        ("kind: fraction, course: k1, n: 2", "kind: picnic, course: k1, n: 2", "no event kind 'picnic'"),
        ("n: 3,", "n: 3, by: nobody,", "by names no provider: 'nobody'"),
        ("n: 3,", "n: 3, amends: f99,", "amends names no event: 'f99'"),
        ("n: 3,", "n: three,", "must be a whole number"),
        ("isocenters: 3", "isocenters: 3.0", "must be a whole number"),
        ("payer: {kind: medicare, name: Medicare}", "payer: {kind: medicare}", "the case.payer must say name"),
        ("id: story-levels", "id: null", "the case must say id"),
        ("diagnoses: [C34.31]", "diagnoses: &d [C34.31]\nsource: *d", "an alias"),
        ("diagnoses: [C34.31]", "diagnoses: [C34.31", "not YAML"),
        ("active: true", "active: yes", "must be true or false"),
    ],
)
def test_a_fault_is_named(old: str, new: str, words: str) -> None:
    assert old in SAID
    assert any(words in fault for fault in faults(SAID.replace(old, new, 1)))


def test_an_empty_file_and_a_list_are_refused() -> None:
    assert faults("") == ["a.yaml:1: an empty file"]
    assert faults("- 1\n- 2\n")[0].startswith("a.yaml:1: no dialect")


def test_faults_say_no_values_of_the_patient() -> None:
    said = faults(SAID.replace("birth_date: 1949-06-15", "birth_date: 15 June 1949"))
    assert said == [f"a.yaml:{line_of(SAID, 'patient:')}: the case.patient.birth_date must be a date (2026-01-05)"]


# ---------------------------------------------------------------- options


def test_options_become_settings_of_the_payer(rules: Ruleset) -> None:
    content = SAID.replace(
        "{undocumented_motion: lower-level-plus-hold}",
        "{undocumented_motion: lower-level, physics_tail: 3, mue_table: '2024Q3', given_codes: {cbct-2024: '77014'}}",
    )
    house, problems = house_of(case(content), rules)
    assert problems == ()
    options = house.site.payers[0].options
    assert options["undocumented_motion"] == "lower-level"
    assert options["physics.tail"] == "3"
    assert options["codes.cbct-pre2026"] == "77014"
    assert (options["edits.units"], options["edits.pairs"]) == ("on", "off")


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        ("{hdr_units: per-day}", ["not built: option hdr_units: per-day"]),
        ("{ptp_table: 2026Q1}", ["not built: option ptp_table: 2026Q1"]),
        ("{given_codes: {ldr-seed: '77778'}}", ["not built: option given_codes.ldr-seed"]),
        (
            "{management_dos: middle_fraction}",
            ["not built: option management.dos must be last_fraction or first_fraction, not 'middle_fraction'"],
        ),
        (
            "{imrt_window: {days_before: 10, bundled: ['77290'], applies_to: [hospital]}}",
            ["imrt_window.days_before: 10"],
        ),
        (
            "{imrt_window: {days_before: 14, bundled: ['77290'], applies_to: [hospital]}}",
            ["imrt_window.bundled: 77280"],
        ),
        ("{charge_mode: lottery}", ["not built: option charge_mode: lottery"]),
        ("{claim_grouping: per-moon}", ["not built: option claim_grouping: per-moon"]),
        ("{enrollment_gap: bill}", ["not built: option enrollment_gap: bill"]),
        ("{timely_filing: {A: {clock: postmark}}}", ["not built: option timely_filing.A.clock: postmark"]),
        ("{timely_filing: {A: {grace: 5}}}", ["not built: option timely_filing.A.grace: 5"]),
    ],
)
def test_an_option_that_is_not_built_makes_the_case_fail_by_its_name(
    options: str, missing: list[str], rules: Ruleset
) -> None:
    story = told(case(SAID.replace("{undocumented_motion: lower-level-plus-hold}", options)), rules)
    assert story.problems
    assert all(any(words in problem for problem in story.problems) for words in missing)
    assert not story.record.charges


def test_event_kinds_and_fields_without_a_word_in_the_model_are_named(rules: Ruleset) -> None:
    assert told(case(SAID.replace("n: 1,", "n: 1, fields: 3,")), rules).problems == [
        "not built: field fields of fraction"
    ]
    given = CLAIMS.replace("kind: charge, encounter: V1, code: '96413'", "kind: order, encounter: V1", 1)
    assert told(case(given), rules).problems[0] == "not built: event kind order"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("order: 1}]", "order: 1, known_from: 2026-02-01}]", "not built: coverage known_from"),
        ("provider: onc, dx", "provider: onc, billing: onc, dx", "not built: another billing provider in a1"),
        ("kind: no-answer, claim: c2", "kind: no-answer, claim: c9", "names a claim that is not on file"),
    ],
)
def test_data_that_a_missing_check_would_look_at_is_named(old: str, new: str, words: str, rules: Ruleset) -> None:
    assert old in CLAIMS
    problems = told(case(CLAIMS.replace(old, new, 1)), rules).problems
    assert any(words in problem for problem in problems)


def test_the_readme_of_the_folder_names_every_option(source_tree: Path) -> None:
    readme = (source_tree / "adapters" / "cases" / "README.md").read_text(encoding="utf-8")
    assert [name for name in OPTIONS if f"`{name}`" not in readme] == []
    built = {name for name, option in OPTIONS.items() if option.apply}
    missing = readme[readme.index("## Not built") :]
    assert [name for name in built if f"`{name}`" in missing] == []


def test_settling_no_options_switches_the_edits_off() -> None:
    assert settled_by({}).payer == {
        "edits.units": "off",
        "edits.pairs": "off",
        "edits.unknown_codes": "pass",
        "edits.modifiers": "off",
        "timely.past_limit": "off",
    }
