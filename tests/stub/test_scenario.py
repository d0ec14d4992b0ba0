"""Scenarios are read with all their faults named, and rules apply as they say."""

import pytest

from fhir_server_stub import scenario
from fhir_server_stub.adjudicate import Deny
from fhir_server_stub.claim import ReadClaim, read_claim


def test_shipped_scenarios_parse():
    demo = scenario.shipped()
    assert [rule.verb for rule in demo.rules] == ["throttle", "hang_up", "fail", "pend", "deny", "deny", "adjust"]
    assert scenario.shipped("pay").idempotent is True


def test_all_faults_at_once():
    text = """
    nam = "x"
    status = 204
    [[rule]]
    verb = "explode"
    [[rule]]
    verb = "deny"
    polls = 3
    group = "XX"
    when = { nth = "two", weekday = 1 }
    [[rule]]
    verb = "pend"
    until = 2026-01-01
    """
    with pytest.raises(scenario.ScenarioError) as caught:
        scenario.parse(text)
    found = caught.value.problems
    assert len(found) == 8
    for words in ("nam", "status", "verb", "knows no polls", "group", "when.nth", "no weekday", "until"):
        assert any(words in problem for problem in found), words


def test_what_is_no_toml():
    with pytest.raises(scenario.ScenarioError, match="no TOML"):
        scenario.parse("= =")


def read(claim_json) -> ReadClaim:
    found = read_claim(claim_json)
    assert isinstance(found, ReadClaim)
    return found


@pytest.mark.parametrize(
    ("when", "matches"),
    [
        ("{}", True),
        ('{ type = "professional" }', True),
        ('{ type = "institutional" }', False),
        ('{ code = "77427" }', True),
        ('{ code = "77402" }', False),
        ("{ nth = 2 }", True),
        ("{ nth = 1 }", False),
        ("{ from = 2026-01-05, to = 2026-01-05 }", True),
        ("{ from = 2026-01-06 }", False),
        ("{ to = 2026-01-04 }", False),
        ("{ total_min = 650.00, total_max = 650 }", True),
        ("{ total_min = 650.01 }", False),
        ("{ total_max = 649.99 }", False),
    ],
)
def test_conditions(claim, when, matches):
    played = scenario.parse(f'[[rule]]\nverb = "pend"\nwhen = {when}\n')
    assert (played.find("pend", read(claim()), 2) is not None) is matches


def test_the_first_money_rule_decides_a_line(claim):
    played = scenario.parse(
        """
        [[rule]]
        verb = "pay"
        when = { code = "77427" }
        [[rule]]
        verb = "deny"
        carc = "16"
        lines = "all"
        """
    )
    decided = read(claim())
    verdict = played.verdict(decided, 1)
    assert [verdict(line) for line in decided.lines] == [Deny("16"), None]


def test_lines_by_number(claim):
    played = scenario.parse('[[rule]]\nverb = "deny"\nlines = [2]\n')
    decided = read(claim())
    assert [played.verdict(decided, 1)(line) for line in decided.lines] == [None, Deny()]


def test_a_drawn_mood_is_the_same_for_its_seed():
    assert scenario.drawn(11) == scenario.drawn(11)
    verbs = {rule.verb for seed in range(60) for rule in scenario.drawn(seed).rules}
    assert verbs == {"throttle", "fail", "hang_up", "pend", "twice", "forget", "deny", "adjust"}
