"""What the code names stands in the mappings, and the other way round; a mapping that names what is not there is refused."""

from __future__ import annotations

import re
from pathlib import Path

from adapters.model.reconciliation import Stage
from adapters.reconciling import claimed, stages
from adapters.reconciling.detectors import OF_COURSES, OF_LINES, OF_VISITS, ORDERS
from adapters.rules import Ruleset, load
from tests.model.clinic import rules

LABELS = """id = "labels"
kind = "labels"
title = "Labels"

[[holds]]
code = "look"
release = "person"
words = "Look."
next_step = "Look at it."

[[differences]]
name = "kept"
stage = "{stage}"
words = "Kept back."
actor = "{actor}"
holds = ["{hold}"]
findings = []
"""


def said(stage: str = "charged", actor: str = "nobody", hold: str = "look") -> list[str]:
    """What is wrong with a difference so written."""
    found = load({"labels.toml": LABELS.format(stage=stage, actor=actor, hold=hold).encode()})
    return [] if isinstance(found, Ruleset) else [problem.message for problem in found]


def test_every_detector_has_its_words_and_every_entry_its_detector() -> None:
    assert {*OF_COURSES, *OF_VISITS, *OF_LINES, ORDERS} == set(rules().detectors)
    assert all(spec.words and spec.cite and spec.next_step for spec in rules().detectors.values())


def test_every_difference_that_is_named_has_its_words() -> None:
    text = "".join(Path(str(module.__file__)).read_text(encoding="utf-8") for module in (stages, claimed))
    named = set(re.findall(r'name(?:\(\s*|, )"([a-z-]+)"', text)) | {"waiting", "held", "denied", "part-denied"}
    told = {spec.name for spec in rules().differences.values() if spec.holds or spec.findings}
    assert named | told == set(rules().differences)


def test_a_hold_is_one_difference() -> None:
    holds = [code for spec in rules().differences.values() for code in spec.holds]
    findings = [kind for spec in rules().differences.values() for kind in spec.findings]
    assert len(holds) == len(set(holds))
    assert len(findings) == len(set(findings))


def test_what_a_difference_names_must_be_there() -> None:
    assert said() == []
    assert said(hold="listen") == ["there is no hold 'listen'"]
    assert said(stage="late") == [f"stage must be one of {', '.join(sorted(stage.value for stage in Stage))}"]
    assert said(actor="clinic") == ["next_step is missing"]
