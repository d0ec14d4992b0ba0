"""Asking quickly is asking: rows looked up by their first fact, and answers remembered, say what every row in turn says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from random import Random
from typing import Final

import pytest

from adapters.rules import Decision, DecisionBody, Nothing, Ruleset, loaded
from adapters.rules.versions import Version

SEED: Final = 20260112
IN_2025, IN_2026 = date(2025, 6, 2), date(2026, 6, 1)
ELECTRONS: Final = "codes.electron-pre2026"
BY_ELECTRONS: Final = {"modality": "electron", "technique": "electron"}


def bodies(rules: Ruleset) -> list[tuple[str, Version, DecisionBody]]:
    found = [(rule.id, v, v.body) for rule in rules.rules for v in rule.versions if isinstance(v.body, DecisionBody)]
    assert len(found) > 30
    return found


def one_by_one(body: DecisionBody, day: date, facts: Mapping[str, str]) -> Decision | Nothing:
    """The first row whose every test takes its fact: what the format promises."""
    for row in body.rows:
        if all(facts.get(name) in taken for name, taken in row.tests):
            answer = row.stale if body.review_by is not None and day >= body.review_by else row.answer
            values = dict(answer.values)
            for name, source in row.fills:
                if not facts.get(source):
                    return Nothing("option-missing", source.removeprefix("option."), answer.ref, answer.used)
                values[name] = facts[source]
            return Decision(values, answer.ref, answer.used, answer.overdue)
    return Nothing("no-row", f"no row of {body.ref.id} fits", body.ref)


def drawn(body: DecisionBody, dice: Random) -> dict[str, str]:
    """Facts for the table: texts that its rows name, and others; some are absent."""
    texts: dict[str, set[str]] = {}
    for row in body.rows:
        for name, taken in row.tests:
            named = {text for text in taken if text} if isinstance(taken, frozenset) else set()
            texts.setdefault(name, {"", "0", "1", "2", "5", "other"}).update(named)
    return {name: dice.choice(sorted(texts[name])) for name in sorted(texts) if dice.random() < 0.8}


def test_every_table_answers_as_its_rows_in_turn(rules: Ruleset) -> None:
    dice = Random(SEED)
    rows: set[object] = set()
    for id, version, body in bodies(rules):
        for _ in range(150):
            facts, day = drawn(body, dice), dice.choice((version.since, date(2027, 3, 1)))
            answer = body.decide(day, facts)
            assert answer == one_by_one(body, day, facts), (id, facts)
            rows.add((id, type(answer), repr(answer)))
    assert len(rows) > 200, "the draw reaches many rows"


def test_a_question_asked_again_is_answered_as_at_first(rules: Ruleset) -> None:
    dice = Random(SEED)
    said = [rules.standing((("payer.kind", kind), ("setting", "hospital"))) for kind in ("medicare", "commercial")]
    asked = 0
    for id, version, body in bodies(rules):
        for _ in range(40):
            facts, standing = drawn(body, dice), dice.choice(said)
            facts = {name: text for name, text in facts.items() if not name.startswith("option.")}
            day = max(version.since, dice.choice((version.since, IN_2026, date(2027, 3, 1))))
            wanted = rules.decide(id, day, {**standing, **facts})
            assert rules.ask(id, day, standing, facts) == wanted
            assert rules.ask(id, day, standing, dict(facts)) == wanted
            asked += isinstance(wanted, Decision)
    assert asked > 200


def test_the_options_of_one_payer_never_answer_for_another(rules: Ruleset) -> None:
    """Two payers ask the same of the same day; only what stands differs, and one lives no longer than the question."""
    codes = []
    for code in ("77402", "77407", "77402", "77412"):
        standing = rules.option_facts({ELECTRONS: code})
        answer = rules.ask("delivery", IN_2025, standing, BY_ELECTRONS)
        assert isinstance(answer, Decision)
        codes.append(answer.values["code"])
        del standing
    assert codes == ["77402", "77407", "77402", "77412"]


def test_what_stands_is_one_mapping_for_one_question(rules: Ruleset) -> None:
    also = (("setting", "freestanding"), ("payer", "MCRB"))
    payers, sites = {"bid_hours": "6"}, {"bid_hours": "4", "tid_hours": "4"}
    first = rules.standing(also, payers, sites)
    assert first is rules.standing(also, dict(payers), dict(sites))
    assert first == {**rules.option_facts(payers, sites), **dict(also)}
    assert (first["option.bid_hours"], first["option.tid_hours"], first["setting"]) == ("6", "4", "freestanding")
    payers["bid_hours"] = "8"
    assert rules.standing(also, payers, sites)["option.bid_hours"] == "8"
    assert first["option.bid_hours"] == "6"
    assert rules.standing((("setting", "hospital"), ("payer", "MCRB")), payers, sites)["setting"] == "hospital"


def test_rules_out_of_force_and_of_another_kind_are_asked_as_they_are_decided(rules: Ruleset) -> None:
    standing = rules.standing(())
    answer = rules.ask("delivery", date(2010, 1, 1), standing, {"modality": "photon"})
    assert isinstance(answer, Nothing)
    assert answer.reason == "not-in-force"
    with pytest.raises(TypeError, match="management is no decision"):
        rules.ask("management", IN_2026, standing, {})


def test_what_is_remembered_is_bounded(rules: Ruleset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loaded, "BOUND", 5)
    told = rules.with_tables(None)
    for n in range(40):
        standing = told.standing((("payer", str(n)),))
        answer = told.ask("course-limits", IN_2026, standing, {"service": "planning"})
        assert answer == told.decide("course-limits", IN_2026, {"service": "planning"})
        memories = (told._answers, told._standing)
        assert all(0 < len(memory) <= 5 for memory in memories)
