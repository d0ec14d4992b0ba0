"""The shipped mappings: examples, counts and levels by hand from the facts sheet, coverage of events, the README's example."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import adapters
from adapters.model.charge import Release
from adapters.rules import BlockPlan, Decision, Nothing, Ruleset, check, load
from adapters.rules.check import answer_of, codes_of

Y2024, Y2025, Y2026 = date(2024, 8, 5), date(2025, 12, 31), date(2026, 2, 2)


def decided(rules: Ruleset, id: str, day: date, **facts: str) -> Mapping[str, str]:
    """The values of the decision, options at their defaults; `_` in a fact's name stands for a point."""
    named = {name.replace("__", "."): value for name, value in facts.items()}
    answer = rules.decide(id, day, rules.option_facts() | named)
    return answer.values if isinstance(answer, Decision) else {"nothing": answer.reason}


def units(rules: Ruleset, id: str, n: int, closed: bool, options: Mapping[str, str] | None = None) -> dict[str, int]:
    plan = rules.blocks(id, Y2026, n, closed, options or {})
    assert isinstance(plan, BlockPlan)
    counted: dict[str, int] = {}
    for block in plan.blocks:
        counted[block.code] = counted.get(block.code, 0) + 1
    return counted


def test_every_version_that_holds_has_examples_and_they_come_out(rules: Ruleset) -> None:
    examples = [(v, e) for rule in rules.rules for v in rule.versions for e in v.examples]
    assert all(v.examples for rule in rules.rules for v in rule.versions if not v.ended)
    assert [e.gives for _, e in examples] == [answer_of(rules, v, e) for v, e in examples]
    assert len(examples) >= 80


def test_nothing_is_stale_or_out_of_force_in_2026_and_the_code_year_is_due_in_2027(rules: Ruleset) -> None:
    assert check(rules, date(2026, 12, 31)) == ()
    due = {p.message for p in check(rules, date(2027, 1, 1))}
    reviewed = {rule.id for rule in rules.rules if rule.versions[0].review_by == date(2027, 1, 1)}
    assert {"delivery", "guidance", "services", "imrt-window", "ncci-modifiers"} <= reviewed
    assert due == {f"{id}: review was due by 2027-01-01, and no later version is written" for id in reviewed}


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (0, {}),
        (1, {"77431": 1}),
        (2, {"77431": 1}),
        (3, {"77427": 1}),
        (4, {"77427": 1}),
        (5, {"77427": 1}),
        (6, {"77427": 1}),
        (7, {"77427": 1}),
        (8, {"77427": 2}),
        (10, {"77427": 2}),
        (15, {"77427": 3}),
        (18, {"77427": 4}),
        (25, {"77427": 5}),
        (28, {"77427": 6}),
        (33, {"77427": 7}),
        (39, {"77427": 8}),
        (62, {"77427": 12}),
    ],
)
def test_management_units_of_a_complete_course(rules: Ruleset, n: int, expected: dict[str, int]) -> None:
    """The vectors of radiation-oncology.md 5.1."""
    assert units(rules, "management", n, closed=True) == expected


def test_an_open_course_earns_full_blocks_alone(rules: Ruleset) -> None:
    assert [units(rules, "management", n, closed=False) for n in (1, 4, 5, 9, 10)] == [
        {},
        {},
        {"77427": 1},
        {"77427": 1},
        {"77427": 2},
    ]


def test_short_courses_and_tails_follow_their_options(rules: Ruleset) -> None:
    assert units(rules, "management", 4, True, {"management.short_three_four": "no"}) == {}
    assert units(rules, "management", 2, True, {"management.short_three_four": "no"}) == {"77431": 1}
    assert units(rules, "management", 8, True, {"management.short_three_four": "no"}) == {"77427": 2}
    assert [units(rules, "physics", n, True).get("77336", 0) for n in (0, 1, 4, 5, 9, 10, 28)] == [0, 1, 1, 1, 1, 2, 5]
    assert units(rules, "physics", 4, True, {"physics.short_course": "none"}) == {}
    assert units(rules, "physics", 9, True, {"physics.tail": "1"}) == {"77336": 2}
    assert units(rules, "physics", 11, True, {"physics.tail": "3"}) == {"77336": 2}
    assert units(rules, "physics", 4, False) == {}


@given(
    n=st.integers(0, 200), id=st.sampled_from(["management", "physics", "port-images"]), tail=st.sampled_from("01234")
)
def test_blocks_never_overlap_and_an_open_course_is_a_beginning_of_the_closed_one(
    rules: Ruleset, n: int, id: str, tail: str
) -> None:
    options = {"physics.tail": tail}
    open_, closed = (rules.blocks(id, Y2026, n, end, options) for end in (False, True))
    longer = rules.blocks(id, Y2026, n + 1, False, options)
    assert isinstance(open_, BlockPlan)
    assert isinstance(closed, BlockPlan)
    assert isinstance(longer, BlockPlan)
    assert longer.blocks[: len(open_.blocks)] == open_.blocks
    assert closed.blocks[: len(open_.blocks)] == open_.blocks
    covered = [f for block in closed.blocks for f in range(block.first, block.last + 1)]
    assert covered == list(range(1, len(covered) + 1))
    assert len(covered) <= n
    assert [block.number for block in closed.blocks] == list(range(1, len(closed.blocks) + 1))
    assert len(closed.blocks) - len(open_.blocks) <= 1


def level(technique: str, isocenters: int, motion: str) -> str:
    """The level table of radiation-oncology.md 3, written down a second time and otherwise than in the mapping."""
    if technique in ("total-skin-electron", "mixed"):
        return "77412"
    if technique == "electron":
        return "77402"
    if isocenters >= 2:
        return "77412"
    if technique == "2d":
        return "77402"
    return {"documented": "77412"}.get(motion, "77407")


SWEEP = list(
    itertools.product(
        ["2d", "3d", "imrt", "electron", "mixed", "total-skin-electron"],
        [1, 2, 3],
        ["none", "documented", "undocumented"],
        ["freestanding", "hospital"],
        ["medicare", "commercial"],
    )
)


def test_the_levels_of_2026_over_every_combination(rules: Ruleset) -> None:
    for technique, isocenters, motion, setting, kind in SWEEP:
        values = decided(
            rules,
            "delivery",
            Y2026,
            technique=technique,
            isocenters=str(isocenters),
            motion=motion,
            setting=setting,
            payer__kind=kind,
        )
        assert values["code"] == level(technique, isocenters, motion), (technique, isocenters, motion)
        gated = technique in ("3d", "imrt") and isocenters == 1 and motion == "undocumented"
        assert (values.get("better"), values.get("hold")) == (
            ("77412", "documentation-missing") if gated else (None, None)
        )


def test_unknown_isocenters_and_undocumented_motion_follow_their_options(rules: Ruleset) -> None:
    assert decided(rules, "delivery", Y2026, technique="imrt") == {"code": "77407", "assumed": "isocenters"}
    assert decided(rules, "delivery", Y2026, technique="2d") == {"code": "77402", "assumed": "isocenters"}
    assert decided(rules, "delivery", Y2026, technique="3d", motion="documented") == {"code": "77412"}
    hold = {"option__unknown__isocenters": "hold"}
    assert decided(rules, "delivery", Y2026, technique="imrt", **hold) == {"hold": "isocenters-unknown"}
    lower = {"option__undocumented_motion": "lower-level"}
    assert decided(rules, "delivery", Y2026, technique="3d", isocenters="1", motion="undocumented", **lower) == {
        "code": "77407"
    }
    for modality in ("proton", "kv"):
        assert decided(rules, "delivery", Y2026, technique="3d", isocenters="1", modality=modality) == {
            "nothing": "no-row"
        }
    assert decided(rules, "delivery", Y2026, technique="3d", modality="electron") == {"code": "77402"}
    assert decided(rules, "delivery", Y2026) == {"nothing": "no-row"}
    assert decided(rules, "delivery", Y2026, technique="3d", isocenters="0") == {"nothing": "no-row"}


def test_the_code_set_changes_at_new_year_2026(rules: Ruleset) -> None:
    options = {"option.codes.imrt-delivery-pre2026": "G6015", "option.codes.imrt-complex-pre2026": "77386"}
    facts = rules.option_facts() | options | {"technique": "imrt", "isocenters": "1", "payer.kind": "medicare"}

    def code(day: date, **more: str) -> str:
        answer = rules.decide("delivery", day, facts | {name.replace("__", "."): v for name, v in more.items()})
        return answer.values["code"] if isinstance(answer, Decision) else answer.reason

    assert code(Y2025, setting="freestanding") == "G6015"
    assert code(Y2025, setting="hospital", imrt__complexity="complex") == "77386"
    assert code(Y2025, setting="hospital", imrt__complexity="simple") == "option-missing"
    assert code(Y2026, setting="freestanding") == "77407"
    assert code(Y2026, setting="hospital", imrt__complexity="complex") == "77407"
    assert code(date(2014, 12, 31), setting="freestanding") == "not-in-force"


@pytest.mark.parametrize(
    ("guidance", "kind", "day", "options", "expected"),
    [
        ("cbct", "medicare", Y2025, {}, {"nothing": "option-missing"}),
        ("cbct", "medicare", Y2025, {"codes.cbct-pre2026": "77014"}, {"code": "77014"}),
        ("ultrasound", "medicare", Y2025, {}, {"code": "G6001"}),
        ("stereo-xray", "medicare", Y2025, {}, {"code": "G6002"}),
        ("cbct", "commercial", Y2025, {}, {"nothing": "option-missing"}),
        ("cbct", "medicare", Y2026, {}, {"code": "77387", "tc_bundled": "true"}),
        ("cbct", "commercial", Y2026, {}, {"code": "77387", "tc_bundled": "false"}),
        ("cbct", "commercial", Y2026, {"guidance.commercial_26": "yes"}, {"code": "77387", "tc_bundled": "true"}),
        (
            "cbct",
            "commercial",
            date(2026, 2, 28),
            {"guidance.commercial_26": "from-2026-03-01"},
            {"code": "77387", "tc_bundled": "false"},
        ),
        (
            "cbct",
            "commercial",
            date(2026, 3, 1),
            {"guidance.commercial_26": "from-2026-03-01"},
            {"code": "77387", "tc_bundled": "true"},
        ),
        ("none", "medicare", Y2026, {}, {"nothing": "no-row"}),
    ],
)
def test_image_guidance_by_day_and_payer(
    rules: Ruleset, guidance: str, kind: str, day: date, options: dict[str, str], expected: dict[str, str]
) -> None:
    assert all(rules.option_problem(name, value) == "" for name, value in options.items())
    facts = rules.option_facts(options) | {"guidance": guidance, "payer.kind": kind}
    answer = rules.decide("guidance", day, facts)
    assert (answer.values if isinstance(answer, Decision) else {"nothing": answer.reason}) == expected


def test_every_code_of_an_attribute_splits_for_whoever_bills(rules: Ruleset) -> None:
    """PC/TC by who bills (5.8): no code and no entity is left without an answer, and no TC modifier is ever given."""
    for code, bills, kind in itertools.product(
        rules.codes, ("global", "professional", "technical"), ("medicare", "commercial")
    ):
        attributes = rules.codes[code][0]
        values = decided(
            rules,
            "splitting",
            Y2026,
            pctc=attributes.pctc,
            status=attributes.status,
            tc_bundled=str(attributes.tc_bundled).lower(),
            packaged_technical=str(attributes.packaged_technical).lower(),
            bills=bills,
            payer__kind=kind,
        )
        assert values.keys() in ({"component", "modifier"}, {"none"}, {"hold"}), (code, bills, values)
        assert values.get("modifier") in (None, "", "26")
        assert (values.get("modifier") == "26") <= (attributes.pctc == "1")


@pytest.mark.parametrize(
    ("code", "day", "bills", "expected"),
    [
        ("77387", Y2026, "global", "professional 26"),
        ("77387", Y2026, "professional", "professional 26"),
        ("77387", Y2026, "technical", "bundled"),
        ("77014", Y2025, "global", "global "),
        ("77014", Y2025, "professional", "professional 26"),
        ("77014", Y2025, "technical", "bundled"),
        ("77407", Y2026, "global", "technical "),
        ("77407", Y2026, "professional", "technical-only"),
        ("77427", Y2026, "technical", "professional-only"),
        ("77336", Y2026, "professional", "technical-only"),
        ("77290", Y2026, "technical", "technical "),
        ("77417", Y2024, "global", "technical "),
        ("77417", Y2026, "global", "bundled"),
        ("99213", Y2026, "global", "professional "),
    ],
)
def test_the_parts_of_known_codes_under_medicare(
    rules: Ruleset, code: str, day: date, bills: str, expected: str
) -> None:
    attributes = rules.attributes(code, day)
    assert attributes is not None
    values = decided(
        rules,
        "splitting",
        day,
        pctc=attributes.pctc,
        status=attributes.status,
        tc_bundled=str(attributes.tc_bundled).lower(),
        packaged_technical=str(attributes.packaged_technical).lower(),
        bills=bills,
        payer__kind="medicare",
    )
    said = values.get("hold") or values.get("none") or f"{values['component']} {values['modifier']}"
    assert said == expected


def test_codes_gone_in_2026_end_with_2025_and_the_rest_goes_on(rules: Ruleset) -> None:
    gone = {"77014", "77385", "77386", "77401"} | {f"G60{n:02d}" for n in (1, 2, *range(3, 18))}
    ended = {code for code in rules.codes if rules.attributes(code, date(2026, 1, 1)) is None}
    assert ended == gone
    begun = {code for code in rules.codes if rules.attributes(code, Y2025) is None}
    assert begun == {"77436", "77437", "77438", "77439"}, "codes of 2026"


def test_the_services_of_events_and_codes_agree(rules: Ruleset) -> None:
    for version in rules.rule("services").versions:
        for example in version.examples:
            if "code" in example.gives:
                assert rules.service_of(example.gives["code"]) == example.gives["service"]
    assert {rules.service_of(code) for code in ("77407", "G6015", "77387", "77427", "77336")} == {
        "delivery",
        "guidance",
        "management",
        "physics",
    }


def test_an_event_without_its_complexity_has_no_row(rules: Ruleset) -> None:
    for kind in ("planning", "simulation", "device"):
        assert decided(rules, "services", Y2026, kind=kind) == {"nothing": "no-row"}
        for complexity in ("simple", "intermediate", "complex"):
            assert decided(rules, "services", Y2026, kind=kind, complexity=complexity)["service"] == kind


def test_every_code_that_a_rule_or_an_option_names_has_attributes(rules: Ruleset) -> None:
    named = {code for rule in rules.rules for version in rule.versions for code in codes_of(version)}
    chosen = {value for spec in rules.options.values() if spec.name.startswith("codes.") for value in spec.allowed}
    assert named | chosen <= set(rules.codes)
    for name in ("codes.photon-3d-pre2026", "codes.electron-pre2026", "codes.photon-2d-pre2026"):
        assert [rules.option_problem(name, code) for code in ("77412", "G6012")] == ["", ""]
        assert rules.option_problem(name, "G6015") != ""


def test_every_pair_is_of_known_codes_and_has_one_direction_that_falls(rules: Ruleset) -> None:
    for column1, column2 in rules.exclusions:
        assert rules.knows(column1)
        assert rules.knows(column2)
        assert (column2, column1) not in rules.exclusions
    plan = rules.pairs("77290", "77301", Y2026, "practitioner")
    assert plan is not None
    assert (plan.column1, plan.column2, plan.indicator) == ("77301", "77290", "0")
    device = rules.pairs("77334", "77338", Y2026, "hospital")
    assert device is not None
    assert (device.column2, device.indicator) == ("77334", "1")
    assert rules.pairs("77300", "77301", Y2026, "hospital") is None
    assert rules.pairs("77386", "77387", Y2025, "hospital") is not None
    assert rules.pairs("77386", "77387", Y2025, "practitioner") is None


def test_the_holds_of_the_registry_have_a_step_unless_nobody_must_act(rules: Ruleset) -> None:
    for hold in rules.holds.values():
        assert bool(hold.next_step) == (hold.release is not Release.NEVER), hold.code
    assert {code for code, hold in rules.holds.items() if hold.release is Release.NEVER} == {
        "before-shadow",
        "billed-elsewhere",
        "bundled",
        "historic",
        "not-billed",
        "not-effective",
        "shadow",
    }


def test_every_skip_that_the_assembly_gives_reads_as_registered(rules: Ruleset) -> None:
    reasons = ["not-done", "withdrawn", "duplicate-report", "superseded", "context", "included-in-management"]
    assert {*reasons, "supports-physics", "closes-course", "reviewed"} <= set(rules.skips)
    for reason in rules.skips:
        assert decided(rules, "assembly", Y2026, reason=reason) == {"skip": reason, "words": rules.skip_words(reason)}


def test_every_check_of_the_screening_has_its_hold(rules: Ruleset) -> None:
    for name in ("code-in-force", "units", "pair", "price", "coverage", "diagnosis"):
        rules.hold(decided(rules, "screening", Y2026, check=name)["hold"])
    assert decided(rules, "screening", Y2026, check="code-in-force") == {"hold": "not-effective"}


def test_what_is_billed_when_two_systems_code(rules: Ruleset) -> None:
    for mode, ours, theirs in itertools.product(
        ("derive", "accept", "compare"), ("present", "absent"), ("present", "absent")
    ):
        if ours == theirs == "absent":
            continue
        for same, how in (("true", "equal"), ("false", "lower"), ("false", "higher"), ("false", "equal")):
            values = decided(rules, "coded-charges", Y2026, mode=mode, ours=ours, theirs=theirs, same=same, level=how)
            assert values["bill"] in ("ours", "theirs", "none")
            if values["finding"]:
                assert rules.finding_words(values["finding"])
            if mode != "accept" and ours == "absent":
                assert values == {"bill": "none", "finding": "extra-charge"}
            if ours == theirs == "present" and same == "true" and mode != "accept":
                assert values == {"bill": "ours", "finding": ""}


def test_every_state_and_change_after_sending_has_an_action(rules: Ruleset) -> None:
    actions = {
        (state, change, how): decided(rules, "after-sending", Y2026, state=state, change=change, after_sending=how).get(
            "action"
        )
        for state in ("unsent", "unknown", "queued", "accepted", "complete", "rejected")
        for change in ("changed", "gone", "all-gone", "new", "moved")
        for how in ("replace", "person", "reopen")
    }
    assert None not in actions.values()
    assert {action for (state, _, _), action in actions.items() if state == "unknown"} == {"wait"}
    assert {action for (_, _, how), action in actions.items() if how != "replace"}.isdisjoint({"replace", "void"})
    assert {action for (state, change, how), action in actions.items() if how == "reopen" and state == "complete"} == {
        "reopen",
        "new-claim",
        "nothing",
    }


def test_the_window_around_an_imrt_plan(rules: Ruleset) -> None:
    hospital = {"payer__kind": "medicare", "setting": "hospital", "bills": "technical"}
    plan = {"days_before": "14", "days_after": "0"}
    assert decided(rules, "imrt-window", Y2026, code="77290", **hospital) == plan
    assert decided(rules, "imrt-window", Y2026, code="77334", **hospital) == {"none": "no-window"}
    physician = hospital | {"bills": "professional"}
    assert decided(rules, "imrt-window", Y2026, code="77290", **physician) == {"none": "no-window"}
    assert (
        decided(rules, "imrt-window", Y2026, code="77290", option__imrt_window__professional="yes", **physician) == plan
    )


def test_every_open_option_is_answered_by_no_default(rules: Ruleset) -> None:
    """What nobody confirmed has no default, so that its rule holds the charge."""
    without = {spec.name for spec in rules.options.values() if not spec.default}
    assert without == {
        "infusion.concurrent_min_overlap",
        "infusion.hydration_intervals",
        "infusion.secondary_hydration_code",
        "infusion.unclassified",
        "drugs.unclassified",
        "drugs.wastage",
        "drugs.modifier_340b_2024",
        "drugs.modifier_340b_other",
        "drugs.ndc_units",
        "drugs.units",
        "codes.imrt-delivery-pre2026",
        "codes.imrt-simple-pre2026",
        "codes.imrt-hospital-pre2026",
        "codes.imrt-complex-pre2026",
        "codes.photon-3d-pre2026",
        "codes.photon-2d-pre2026",
        "codes.electron-pre2026",
        "codes.cbct-pre2026",
        "codes.commercial-guidance-pre2026",
        "codes.isodose-simple",
        "codes.isodose-intermediate",
        "codes.isodose-complex",
        "codes.proton-simple",
        "codes.proton-simple-with-compensation",
        "codes.proton-intermediate",
        "codes.proton-complex",
        "imrt_window.days_before",
        "imrt_window.days_after",
        "codes.ldr-intracavitary-simple",
        "codes.ldr-intracavitary-intermediate",
        "codes.ldr-intracavitary-complex",
        "codes.ldr-solution",
        "codes.hyperthermia-superficial",
        "codes.hyperthermia-deep",
        "codes.hyperthermia-interstitial",
        "codes.hyperthermia-interstitial-many",
        "codes.hyperthermia-intracavitary",
        "codes.consult-99242",
        "codes.consult-99243",
        "codes.consult-99244",
        "codes.consult-99245",
        "stereotactic.robotic",
        "bid_hours",
        "tid_hours",
    }


def test_the_worked_example_of_the_readme_loads_and_decides(shipped: Mapping[str, bytes]) -> None:
    blocks = re.findall(r"```toml\n# file: (\S+)\n(.*?)```", shipped["README.md"].decode(), re.DOTALL)
    overlay = {path: text.encode() for path, text in blocks}
    assert set(overlay) == {"payers/our-options.toml", "edits/course-limits.toml"}
    ruleset = load(shipped, [overlay])
    assert isinstance(ruleset, Ruleset), ruleset
    facts = ruleset.option_facts({"limits.imrt_devices": "3"}) | {"service": "device", "code": "77338"}
    before = ruleset.decide("course-limits", date(2026, 6, 30), facts)
    after = ruleset.decide("course-limits", date(2026, 7, 1), facts)
    assert isinstance(before, Nothing)
    assert before.reason == "no-row"
    assert isinstance(after, Decision)
    assert after.values == {"limit": "3", "hold": "units-exceeded"}
    assert after.ref.file == "overlay-1/edits/course-limits.toml"


def test_the_readme_names_every_file(shipped: Mapping[str, bytes]) -> None:
    table = shipped["README.md"].decode()
    for path in shipped:
        if path.endswith((".toml", ".csv")) and not path.startswith("feeds/"):
            assert path.rsplit("/", 1)[-1] in table, path


def test_every_hold_finding_and_option_that_the_program_names_is_registered(rules: Ruleset) -> None:
    """Read from the source: a hold outside the registry would fail only in front of the patient who first has it."""
    sources = [path.read_text(encoding="utf-8") for path in Path(adapters.__file__).parent.rglob("*.py")]
    text = "\n".join(sources)
    named = {
        "hold": set(re.findall(r"\bhold\(\s*(?:charge, |line, )?\"([a-z-]+)\"", text)),
        "finding": set(re.findall(r"\bFinding\(\s*\"([a-z-]+)\"", text)),
        "option": set(re.findall(r"(?:context|rules|\))\.option\(\s*\"([a-z0-9_.-]+)\"", text)),
        "rule": set(re.findall(r"\bdecide\(\s*\"([a-z-]+)\"", text)),
    }
    assert all(named.values()), "the patterns above find nothing any more"
    assert named["hold"] <= set(rules.holds)
    assert named["finding"] <= set(rules.findings)
    assert named["option"] <= set(rules.options)
    assert named["rule"] <= set(rules.by_id)


def test_an_option_that_can_be_set_two_ways_is_read_by_something(rules: Ruleset, source_tree: Path) -> None:
    """A setting that changes nothing deceives whoever makes it. With one value it only writes a convention down."""
    readers = [path for path in (source_tree / "adapters").rglob("*.py") if path.parent.name not in ("cases", "demo")]
    readers += [path for folder in ("charges", "edits") for path in (source_tree / "mappings" / folder).glob("*.toml")]
    read = "\n".join(path.read_text(encoding="utf-8") for path in readers)
    choices = {name for name, spec in rules.options.items() if spec.pattern is not None or len(spec.allowed) > 1}
    assert len(choices) > 10
    assert sorted(name for name in choices if name not in read) == []
