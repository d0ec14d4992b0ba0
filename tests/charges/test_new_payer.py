"""A payer is added without touching Python: an overlay of the mappings, a few lines of the site, and it bills its way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import mappings
from adapters.model.event import Event
from adapters.model.site import DatedOptions
from adapters.pipeline import House
from adapters.rules import Ruleset, load
from tests.model.clinic import derived, ended, exams, fraction, house, insured, report, sessions, site, told

OPTIONS = """
id = "cedar-options"
kind = "options"
title = "Options of Cedar Mutual"

[[options]]
name = "cedar.simulation"
words = "Cedar Mutual takes a verification simulation as part of the first session"
allowed = ["apart", "included"]
default = "apart"
cite = "Cedar Mutual, provider manual (invented for this test)"
"""
PRESETS = """
id = "our-presets"
kind = "presets"
title = "Payers of our region"

[[presets]]
name = "cedar-mutual"
names = ["Cedar Mutual", "CEDAR"]
options = { "management.short_three_four" = "no", "physics.tail" = "3", "cedar.simulation" = "included" }
cite = "Cedar Mutual, provider manual (invented for this test)"
"""
ROW = """[[versions.rows]]
when = { service = "simulation", code = "77280", "option.cedar.simulation" = "included" }
then = { limit = "1", hold = "bundled" }
cite = "Cedar Mutual, provider manual (invented for this test)"

"""
EXAMPLE = """
[[versions.examples]]
given = { service = "simulation", code = "77280", "option.cedar.simulation" = "included" }
gives = { limit = "1", hold = "bundled" }
"""


def shipped() -> Mapping[str, bytes]:
    root = Path(str(mappings.__file__)).parent
    return {
        p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.suffix in (".toml", ".csv", ".md")
    }


def with_cedar() -> Ruleset:
    files = shipped()
    limits = files["edits/course-limits.toml"].decode()
    at = limits.index("[[versions.examples]]")
    loaded = load(
        files,
        [
            {
                "payers/cedar-options.toml": OPTIONS.encode(),
                "payers/our-presets.toml": PRESETS.encode(),
                "edits/course-limits.toml": (limits[:at] + ROW + limits[at:] + EXAMPLE).encode(),
            }
        ],
    )
    assert isinstance(loaded, Ruleset), loaded
    return loaded


def test_a_payer_of_an_overlay_bills_its_own_way_and_the_others_as_before() -> None:
    rules = with_cedar()
    preset = rules.presets["cedar-mutual"]
    assert "CEDAR" in preset.names
    base = site("freestanding", kind="commercial")
    cedar = replace(
        base.payers[0],
        id="cedar",
        name=preset.names[0],
        aliases=preset.names,
        options=preset.options,
        dated_options=(DatedOptions(date(2026, 6, 1), {"physics.tail": "0"}),),
    )
    at = House.of(rules, replace(base, payers=(*base.payers, cedar)))

    def billed(month: str, *insurance: Event) -> list[tuple[str, str]]:
        checks = [report("simulation", f"{month}-01T08:00", reason="verification", complexity="simple") for _ in "1"]
        checks.append(report("simulation", f"{month}-03T08:00", reason="verification", complexity="simple"))
        given = sessions(f"{month}-02", 8)
        outcomes = derived([*insurance, *checks, *given, *exams(given), ended(given[-1].day)], at)
        return [(code, day) for day, code, _, _ in told(outcomes.charges, "77280", "77336")]

    ours = insured("CEDAR", line="coverage|first|2015-01-01", said="2026-01-01")
    theirs = billed("2026-03")
    assert [code for code, _ in theirs] == ["77280", "77280", "77336"], "another payer: each simulation, no tail"
    assert [code for code, _ in billed("2026-03", ours)] == ["77280", "77336", "77336"], "one simulation, and the tail"
    assert [code for code, _ in billed("2026-06", ours)] == ["77280", "77336"], "from June on no tail"


def test_without_the_overlay_nothing_knows_the_payer() -> None:
    plain = house("freestanding", kind="commercial")
    assert "cedar-mutual" not in plain.rules.presets
    assert plain.rules.option_problem("cedar.simulation", "included") != ""
    assert told(derived([fraction("2026-03-02T09:00", 1)], plain).charges) == [("2026-03-02", "77407", (), 1)]


def test_the_worked_example_of_the_mappings_holds_the_fourth_device_of_a_course() -> None:
    """mappings/README.md: a plan that pays three IMRT devices a course, from July 2026 on."""
    files = shipped()
    blocks = re.findall(r"```toml\n# file: (\S+)\n(.*?)```", files["README.md"].decode(), re.DOTALL)
    rules = load(files, [{path: text.encode() for path, text in blocks}])
    assert isinstance(rules, Ruleset), rules
    base = site("freestanding", kind="commercial", payer_options={"limits.imrt_devices": "3"})
    at = House.of(rules, base)

    def devices(month: str, count: int) -> tuple[int, list[str]]:
        events: list[Event] = []
        for day in range(1, count + 1):
            at_ten = f"{month}-{day:02}T10:00"
            events.append(report("imrt-plan", at_ten, plan=f"P{day}"))
            events.append(report("device", at_ten, plan=f"P{day}", device_type="imrt-mlc", count=1))
        outcomes = derived(events, at)
        return len(told(outcomes.charges, "77338")), [h.code for h in outcomes.holds]

    assert devices("2026-07", 3) == (3, [])
    assert devices("2026-07", 4) == (3, ["units-exceeded"])
    assert devices("2026-06", 4) == (4, [])
