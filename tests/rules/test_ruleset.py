"""Asking a rule set: versions by date, first row that fits, options, tables, registries."""

from __future__ import annotations

from datetime import date

import pytest

from adapters.model.charge import Release
from adapters.rules import Decision, Nothing, Ruleset, load

IN_2021, IN_2025, IN_2026 = date(2021, 1, 1), date(2025, 6, 1), date(2026, 6, 1)


@pytest.fixture
def ruleset(small: dict[str, bytes]) -> Ruleset:
    loaded = load(small)
    assert isinstance(loaded, Ruleset)
    return loaded


def test_the_version_of_the_day_answers(ruleset: Ruleset) -> None:
    facts = ruleset.option_facts() | {"thing": "small", "size": "2"}
    before = ruleset.decide("rule", date(2019, 12, 31), facts)
    first = ruleset.decide("rule", date(2020, 1, 1), facts)
    last_day = ruleset.decide("rule", date(2024, 12, 31), facts)
    second = ruleset.decide("rule", date(2025, 1, 1), facts)
    ended = ruleset.decide("rule", date(2027, 1, 1), facts)
    assert isinstance(before, Nothing)
    assert isinstance(ended, Nothing)
    assert (before.reason, before.ref, ended.reason) == ("not-in-force", None, "not-in-force")
    assert isinstance(first, Decision)
    assert isinstance(second, Decision)
    assert first == last_day
    assert (first.ref.since, first.ref.cite) == (date(2020, 1, 1), "house 1")
    assert (second.ref.since, second.ref.cite) == (date(2025, 1, 1), "house 2, first row")
    assert second.values == {"code": "77402", "words": "Only context."}
    assert second.used == ("thing", "size", "option.colour")
    assert ruleset.version("rule", date(2027, 1, 1)) is None


def test_a_day_on_or_past_the_review_is_overdue(ruleset: Ruleset) -> None:
    facts = ruleset.option_facts() | {"size": "2"}
    answers = [ruleset.decide("rule", day, facts) for day in (date(2025, 12, 31), date(2026, 1, 1))]
    assert [isinstance(a, Decision) and a.overdue for a in answers] == [False, True]


def test_no_row_and_no_option_are_said_with_the_version(ruleset: Ruleset) -> None:
    facts = ruleset.option_facts()
    no_row = ruleset.decide("rule", IN_2025, facts | {"thing": "small"})
    no_option = ruleset.decide("rule", IN_2025, facts | {"thing": "large", "size": "2"})
    given = ruleset.decide("rule", IN_2025, facts | {"thing": "large", "size": "2", "option.code": "12345"})
    assert isinstance(no_row, Nothing)
    assert isinstance(no_option, Nothing)
    assert (no_row.reason, no_option.reason, no_option.detail) == ("no-row", "option-missing", "code")
    assert no_option.ref is not None
    assert no_option.ref.cite == "house 2"
    assert isinstance(given, Decision)
    assert given.values == {"code": "12345", "copy": "2"}
    assert given.used == ("thing", "size", "option.code")


def test_asking_another_kind_or_an_unknown_rule_is_a_bug(ruleset: Ruleset) -> None:
    with pytest.raises(KeyError):
        ruleset.decide("nothing-like-it", IN_2025, {})
    with pytest.raises(TypeError):
        ruleset.decide("units", IN_2025, {})
    with pytest.raises(TypeError):
        ruleset.blocks("rule", IN_2025, 3, True, {})


def test_counts_by_version_option_and_closing(ruleset: Ruleset) -> None:
    assert isinstance(ruleset.blocks("units", date(2019, 1, 1), 5, True, {}), Nothing)
    plan = ruleset.blocks("units", IN_2025, 8, True, {})
    assert not isinstance(plan, Nothing)
    assert [(b.number, b.first, b.last, b.code, b.partial) for b in plan.blocks] == [
        (1, 1, 5, "77427", False),
        (2, 6, 8, "77427", True),
    ]
    short = ruleset.blocks("units", IN_2025, 2, True, {"colour": "red"})
    none = ruleset.blocks("units", IN_2025, 2, True, {"colour": "blue"})
    assert not isinstance(short, Nothing)
    assert not isinstance(none, Nothing)
    assert ([b.code for b in short.blocks], none.blocks) == (["77402"], ())
    assert short.used == ("option.colour",)


def test_options_go_by_layer_then_default(ruleset: Ruleset) -> None:
    assert ruleset.option("colour") == "red"
    assert ruleset.option("colour", {}, {"colour": "blue"}) == "blue"
    assert ruleset.option("colour", {"colour": "red"}, {"colour": "blue"}) == "red"
    assert ruleset.option("code") == ""
    with pytest.raises(KeyError):
        ruleset.option("size")
    assert ruleset.option_facts({"colour": "red"}, {"colour": "blue", "code": "11111"}) == {
        "option.colour": "red",
        "option.code": "11111",
    }


def test_a_setting_is_checked_against_the_registry(ruleset: Ruleset) -> None:
    assert ruleset.option_problem("colour", "blue") == ""
    assert ruleset.option_problem("colour", "green") == "option colour must be red or blue"
    assert ruleset.option_problem("code", "1234") == "option code must be [0-9]{5}"
    assert ruleset.option_problem("size", "3") == "there is no option 'size'"


def test_codes_go_by_date(ruleset: Ruleset) -> None:
    early, late = ruleset.attributes("77402", IN_2021), ruleset.attributes("77402", IN_2025)
    addon = ruleset.attributes("77293", IN_2025)
    assert early is not None
    assert late is not None
    assert addon is not None
    assert (early.mue, early.mue_hospital, early.mai, late.mue, late.mue_hospital, late.mai) == (
        2,
        2,
        "3",
        1,
        None,
        "2",
    )
    assert (addon.addon_of, addon.tc_bundled, addon.packaged_technical, addon.mue) == (
        ("77295", "77301"),
        True,
        True,
        None,
    )
    assert early.ref.since == date(2020, 1, 1)
    assert early.ref.digest != late.ref.digest
    assert ruleset.attributes("77402", date(2019, 1, 1)) is None
    assert ruleset.attributes("00000", IN_2025) is None
    assert (ruleset.knows("77402"), ruleset.knows("00000")) == (True, False)
    assert (ruleset.service_of("77402"), ruleset.service_of("00000")) == ("delivery", "")


def test_registries(ruleset: Ruleset) -> None:
    hold = ruleset.hold("review-needed")
    assert (hold.release, hold.words, hold.next_step) == (Release.PERSON, "Look.", "Look at it.")
    with pytest.raises(KeyError):
        ruleset.hold("hold-it")
    assert ruleset.skip_words("context") == "Only context."
    assert ruleset.skip_words("something-a-capture-said") == "something a capture said"
    assert ruleset.finding_words("odd") == "Odd."
    with pytest.raises(KeyError):
        ruleset.finding_words("even")
    with pytest.raises(KeyError):
        ruleset.dialect("nobody")
