"""Visits for drugs from reports to lines: episodes, sites, times, midnight, pumps, second reports and amendments."""

from __future__ import annotations

import random
from datetime import date

import pytest

from adapters.charges import assemble
from adapters.model.charge import Outcomes
from adapters.model.event import Event, Status
from adapters.pipeline import House
from adapters.pipeline.step import family_by, outcomes_of, person_contexts
from tests.model.clinic import assembled, derived, fraction, house, report, screened

DAY = "2026-05-04"
OPTIONS = {
    "infusion.derives": "administration visit",
    "infusion.concurrent_min_overlap": "16",
    "infusion.secondary_hydration_code": "96361",
}


def at(clock: str, day: str = DAY) -> str:
    return f"{day}T{clock}"


def gave(kind: str, start: str, end: str = "", drug: str = "", drug_class: str = "", **more: object) -> Event:
    """An administration at the port, of the clinic's one encounter where no other is said."""
    said: dict[str, object] = {"visit": "V1", "site": "port", "drug.name": drug or f"{kind} of {start}", **more}
    if drug_class:
        said["class"] = drug_class
    if kind in ("infusion", "push", "hydration"):
        said.setdefault("route", "iv")
    return report(kind, start if "T" in start else at(start), end=(end if "T" in end or not end else at(end)), **said)  # type: ignore[arg-type]


def chemo(start: str, end: str = "", **more: object) -> Event:
    return gave("infusion", start, end, drug_class="chemo", **more)  # type: ignore[arg-type]


def bag(start: str, end: str = "", **more: object) -> Event:
    return gave("infusion", start, end, drug_class="therapeutic", **more)  # type: ignore[arg-type]


def push(start: str, **more: object) -> Event:
    return gave("push", start, drug_class="therapeutic", **more)  # type: ignore[arg-type]


def fluids(start: str, end: str, **more: object) -> Event:
    return gave("hydration", start, end, **more)  # type: ignore[arg-type]


def place(setting: str = "hospital", **options: str) -> House:
    return house(setting, options={**OPTIONS, **{k.replace("__", "."): v for k, v in options.items()}})


def lines(outcomes: Outcomes) -> list[tuple[str, str, tuple[str, ...], int]]:
    return sorted((c.start.isoformat()[5:], c.code, c.modifiers, c.units) for c in outcomes.charges)


def billed(*events: Event, at: House | None = None) -> list[tuple[str, str, tuple[str, ...], int]]:
    return lines(derived(events, at or place()))


def test_an_encounter_is_an_episode_and_a_day_is_one_where_none_is_named() -> None:
    events = [
        chemo("09:00", "10:00"),
        push("08:50"),
        gave("push", at("08:00", "2026-05-05"), drug_class="therapeutic", visit=None),
        gave("push", at("23:50", "2026-05-05"), drug_class="therapeutic", visit=None),
        gave("push", at("11:00"), drug_class="therapeutic", visit=None),
    ]
    episodes = {e.id: len(e.occurrences) for e in assembled(events).episodes if e.kind == "infusion"}
    assert episodes == {"p1/visit:V1": 3, "p1/day:2026-05-05": 2}


def visits(events: list[Event], at: House) -> dict[str, int]:
    episodes = assemble("p1", events, family_by(at)).episodes
    return {episode.id: len(episode.occurrences) for episode in episodes if episode.kind == "infusion"}


def test_an_account_that_stays_open_is_a_visit_for_each_stretch_of_activity() -> None:
    """A recurring account that its sender does not mark: one number from the first week to the last."""
    weekly = [chemo(at("09:00", day), at("10:31", day)) for day in ("2026-05-04", "2026-05-11")]
    night = [chemo("22:00", at("01:00", "2026-05-05")), push(at("20:30", "2026-05-05"))]
    assert visits(weekly, place()) == {"p1/visit:V1": 1, "p1/visit:V1/on:2026-05-11": 1}
    assert visits(list(reversed(weekly)), place()) == visits(weekly, place())
    assert visits(weekly, place(infusion__visit_quiet_hours="off")) == {"p1/visit:V1": 2}
    assert visits(night, place()) == {"p1/visit:V1": 2}
    assert visits(night, place(infusion__visit_quiet_hours="12")) == {"p1/visit:V1": 1, "p1/visit:V1/on:2026-05-05": 1}
    # Of one day it is one visit, whether another day follows under the number or not.
    twice = [chemo(at("08:00"), at("09:00")), push(at("20:30"))]
    assert visits(twice, place(infusion__visit_quiet_hours="6")) == {"p1/visit:V1": 2}
    found = visits([*twice, push(at("10:00", "2026-05-06"))], place(infusion__visit_quiet_hours="6"))
    assert found == {"p1/visit:V1": 2, "p1/visit:V1/on:2026-05-06": 1}
    at_home = [gave("pump-start", "10:00", drug_class="chemo"), gave("pump-disconnect", at("11:00", "2026-05-06"))]
    assert visits(at_home, place()) == {"p1/visit:V1": 2}
    assembly = assemble("p1", weekly, family_by(place()))
    found = outcomes_of(assembly, person_contexts(assembly, place()), place())
    would = sorted((h.would.start.isoformat(), h.would.code, h.would.visit) for h in found.holds if h.would)
    billed_too = sorted((c.start.isoformat(), c.code, c.visit) for c in found.charges)
    both = [("2026-05-04", "96413", "V1"), ("2026-05-04", "96415", "V1")]
    both += [("2026-05-11", "96413", "V1"), ("2026-05-11", "96415", "V1")]
    assert sorted((*would, *billed_too)) == both


def test_a_visit_of_a_patient_in_a_course_is_no_part_of_the_course() -> None:
    events = [fraction(at("08:00"), 1), chemo("09:00", "10:00", course="C1"), push("11:00", course="")]
    kinds = {e.kind: {o.kind for o in e.occurrences} for e in assembled(events).episodes}
    assert kinds == {"radiation": {"fraction"}, "infusion": {"infusion", "push"}}


def test_a_line_of_several_units_bears_the_facts_of_all_in_order_and_each_once() -> None:
    given = [chemo("09:00", "12:31"), push("08:00"), push("08:20"), push("08:40")]
    told = {c.code: c.why.facts for c in derived(given, place()).charges if c.units > 1}
    assert sorted(told) == ["96375", "96415"]
    assert all(len(set(facts)) == len(facts) for facts in told.values())
    pushes = [fact.source.message for fact in told["96375"] if fact.name == "event"]
    assert pushes == [event.source.message for event in given[1:]]


def test_hospital_and_office_differ_in_what_is_initial() -> None:
    events = [push("08:00", primary_reason=True), fluids("08:10", "10:15"), bag("10:20", "11:00")]
    assert billed(*events) == [("05-04", "96361", (), 2), ("05-04", "96365", (), 1), ("05-04", "96375", (), 1)]
    office = [("05-04", "96361", (), 2), ("05-04", "96367", (), 1), ("05-04", "96374", (), 1)]
    assert billed(*events, at=place("freestanding")) == office


def test_the_physicians_of_a_hospital_bill_no_administration() -> None:
    outcomes = derived([chemo("09:00", "10:00")], place())
    assert {c.entity for c in outcomes.charges} == {"hospital"}


def test_a_continuous_night_has_its_hours_on_their_days() -> None:
    """The published night, 22:00 to 06:30 with a push before and after midnight (1.4 M1, M4, M5)."""
    events = [
        fluids(at("22:00"), at("06:30", "2026-05-05")),
        push(at("22:20"), drug="opioid"),
        push(at("02:00", "2026-05-05"), drug="opioid"),
    ]
    night = [("05-04", "96361", (), 2), ("05-04", "96374", (), 1), ("05-05", "96361", (), 6), ("05-05", "96376", (), 1)]
    assert billed(*events) == night
    assert lines(screened(events, place())) == night
    first = billed(*events[:2], at=place(infusion__midnight="first-date"))
    assert first == [("05-04", "96361", (), 8), ("05-04", "96374", (), 1)]


def test_the_night_on_which_the_clocks_go_back_has_its_true_length() -> None:
    events = [chemo("2026-10-31T23:30", "2026-11-01T03:00")]
    assert billed(*events) == [("10-31", "96413", (), 1), ("11-01", "96415", (), 3)]


def test_pauses_do_not_count_and_parts_are_one_infusion() -> None:
    parts = [
        chemo("09:00", "09:50", drug="antibody", keys=("part:a",)),
        chemo("10:30", "11:11", drug="antibody", keys=("part:a",)),
    ]
    outcomes = derived(parts, place())
    assert lines(outcomes) == [("05-04", "96413", (), 1), ("05-04", "96415", (), 1)]
    assert [skip.reason for skip in outcomes.skips if skip.event == parts[1].id] == ["part-of-session"]
    assert lines(derived(parts[:1], place())) == [("05-04", "96413", (), 1)]


def test_two_channels_that_name_one_dose_are_one_dose() -> None:
    twice = [
        chemo("09:00", "10:00", keys=("order:O-7#1",)),
        chemo("09:00", "10:00", keys=("order:O-7#1",), feed="ehr", visit=None),
    ]
    outcomes = derived(twice, place())
    assert lines(outcomes) == [("05-04", "96413", (), 1)]
    (finding,) = outcomes.findings
    assert finding.kind == "duplicate-suppressed"
    assert finding.about in {event.id for event in twice}


def test_an_amended_stop_turns_a_push_into_an_infusion_and_a_withdrawn_dose_is_none() -> None:
    first = chemo("09:00", "09:12", line="A1")
    mended = chemo("09:00", "09:20", line="A1", said=at("20:00"))
    assert billed(first) == [("05-04", "96409", (), 1)]
    outcomes = derived([first, mended], place())
    assert [(f.kind, f.about) for f in outcomes.findings] == [("charge-superseded", first.id)]
    assert lines(outcomes) == [("05-04", "96413", (), 1)]
    assert [skip.reason for skip in outcomes.skips if skip.event == first.id] == ["superseded"]
    gone = chemo("09:00", "09:20", line="A1", said=at("21:00"), status=Status.WITHDRAWN)
    assert billed(first, mended, gone) == []


@pytest.mark.parametrize(
    ("policy", "said", "expected"),
    [
        ("hold", {"volume": "250", "volume.unit": "mL", "rate": "250", "rate.unit": "mL/h"}, "missing-stop-time"),
        ("compute-rate-volume", {"volume": "250", "volume.unit": "mL", "rate": "250", "rate.unit": "mL/h"}, "96365"),
        (
            "compute-rate-volume",
            {"volume": "250", "volume.unit": "mL", "rate": "250", "rate.unit": "mL", "rate.per": "h"},
            "96365",
        ),
        (
            "compute-rate-volume",
            {"volume": "250", "volume.unit": "mL", "rate": "0", "rate.unit": "mL/h"},
            "missing-stop-time",
        ),
        ("compute-rate-volume", {"planned_minutes": "60"}, "missing-stop-time"),
        ("push", {}, "96374"),
    ],
)
def test_a_missing_stop_goes_by_the_policy_and_a_plan_is_no_time(
    policy: str, said: dict[str, object], expected: str
) -> None:
    outcomes = derived([bag("09:00", **said)], place(infusion__missing_stop=policy))
    assert [c.code for c in outcomes.charges] + [h.code for h in outcomes.holds] == [expected]


def test_a_stop_that_is_not_after_the_start_goes_back_to_the_nurse() -> None:
    for end in ("09:00", "08:30"):
        outcomes = derived([bag("09:00", end)], place(infusion__missing_stop="push"))
        assert ([c.code for c in outcomes.charges], [h.code for h in outcomes.holds]) == ([], ["invalid-time"])


def test_a_dose_without_times_holds_what_its_times_could_change() -> None:
    lesser = [chemo("09:00", "10:00"), bag("10:10")]
    assert billed(*lesser) == [("05-04", "96413", (), 1)]
    greater = derived([bag("09:00", "10:00"), chemo("10:10")], place())
    assert lines(greater) == []
    assert sorted(h.code for h in greater.holds) == ["documentation-missing", "missing-stop-time"]
    drowned = derived([chemo("07:00", "08:00"), fluids("09:00", "11:00"), bag("10:00")], place())
    assert lines(drowned) == [("05-04", "96413", (), 1)]
    assert sorted((h.code, h.would.code if h.would else "") for h in drowned.holds) == [
        ("documentation-missing", "96361"),
        ("missing-stop-time", ""),
    ]


def test_a_second_site_has_its_own_initial_only_where_it_was_required() -> None:
    first = chemo("09:00", "10:00")
    required = bag("09:10", "10:00", site="left arm", second_site_reason="protocol")
    assert billed(first, required) == [("05-04", "96365", ("59",), 1), ("05-04", "96413", (), 1)]
    xs = place(infusion__distinct_modifier="XS")
    assert ("05-04", "96365", ("XS",), 1) in billed(first, required, at=xs)
    handy = bag("10:10", "11:00", site="left arm", second_site_reason="convenience")
    merged = derived([first, handy], place(infusion__undocumented_second_site="merge-with-first"))
    assert lines(merged) == [("05-04", "96367", (), 1), ("05-04", "96413", (), 1)]
    assert [(f.kind, f.about) for f in merged.findings] == [("second-site-not-documented", handy.id)]
    waiting = derived([first, handy], place())
    assert (lines(waiting), [h.code for h in waiting.holds]) == ([("05-04", "96413", (), 1)], ["documentation-missing"])


def test_a_class_that_nobody_says_waits_unless_the_site_takes_it_from_the_code() -> None:
    dose = gave("infusion", "09:00", "10:00", code="J9045")
    waiting = derived([dose], place())
    assert (lines(waiting), [h.code for h in waiting.holds]) == ([], ["review-needed"])
    assert billed(dose, at=place(infusion__unclassified="by-code")) == [("05-04", "96413", (), 1)]
    barred = gave("injection", "09:00", drug_class="chemo", code="J0897", route="sc")
    assert billed(barred) == [("05-04", "96401", (), 1)]
    assert billed(barred, at=place(infusion__not_chemo="J0897 J2357")) == [("05-04", "96372", (), 1)]


def test_another_route_than_a_vein_is_for_a_person() -> None:
    outcomes = derived([chemo("09:00", "10:00", route="intra-arterial"), push("10:10", route="IV")], place())
    assert lines(outcomes) == [("05-04", "96374", (), 1)]
    assert [(h.code, h.slot.service) for h in outcomes.holds] == [("review-needed", "administration")]


def test_an_injection_beside_an_infusion_says_that_it_was_distinct() -> None:
    events = [chemo("09:00", "10:00"), gave("injection", "10:30", drug_class="therapeutic", route="sc")]
    assert billed(*events) == [("05-04", "96372", ("59",), 1), ("05-04", "96413", (), 1)]
    assert billed(events[1]) == [("05-04", "96372", (), 1)]
    unedited = place(edits__pairs="off")
    assert ("05-04", "96372", (), 1) in billed(*events, at=unedited)


PUMP = {"pump.owner": "office", "pump.goes_home": True, "pump.hours": 46}


def test_a_pump_that_goes_home_is_all_in_one_for_medicare_in_an_office_only() -> None:
    start = gave("pump-start", "09:00", drug_class="chemo", **PUMP)  # type: ignore[arg-type]
    visits = [
        gave("pump-refill", "09:30", **{"pump.type": "portable"}),  # type: ignore[arg-type]
        gave("pump-disconnect", at("09:00", "2026-05-06"), visit="V2"),
        gave("port-flush", at("09:05", "2026-05-06"), visit="V2"),
        report("office-visit", at("09:10", "2026-05-06"), visit="V2", em_code="99211"),
    ]
    office = place("freestanding")
    outcomes = screened([start, *visits], office)
    assert lines(outcomes) == [("05-04", "G0498", (), 1)]
    assert outcomes.holds == ()
    assert billed(start) == [("05-04", "96416", (), 1)]
    other = house("freestanding", kind="commercial", options=OPTIONS)
    assert billed(start, at=other) == [("05-04", "96416", (), 1)]
    short = gave("pump-start", "09:00", drug_class="chemo", **{**PUMP, "pump.hours": 8})  # type: ignore[arg-type]
    assert [h.code for h in derived([short], office).holds] == ["review-needed"]
    alone = derived([visits[1]], office)
    assert [h.detail for h in alone.holds] == ["no start of the pump is on file"]


def test_a_refill_on_another_day_and_a_flush_by_itself_are_billed() -> None:
    refill = gave("pump-refill", "09:00", **{"pump.type": "implantable"})  # type: ignore[arg-type]
    assert billed(refill) == [("05-04", "96522", (), 1)]
    flush = gave("port-flush", "09:00")
    assert billed(flush) == [("05-04", "96523", (), 1)]
    assert billed(flush, push("09:30")) == [("05-04", "96374", (), 1)]


@pytest.mark.parametrize(
    ("code", "separate", "expected"),
    [
        ("99214", True, [("99214", ("25",))]),
        ("99214", False, []),
        ("99214", None, []),
        ("99211", True, []),
    ],
)
def test_a_visit_beside_drugs_is_separate_or_none(
    code: str, separate: bool | None, expected: list[tuple[str, tuple[str, ...]]]
) -> None:
    visit = report("office-visit", at("08:00"), visit="V1", em_code=code, separately_identifiable=separate)
    outcomes = derived([visit, push("09:00")], place("freestanding"))
    assert [(c.code, c.modifiers) for c in outcomes.charges if c.code.startswith("99")] == expected
    alone = derived([visit], place("freestanding"))
    assert [(c.code, c.modifiers) for c in alone.charges] == [(code, ())]


def test_every_report_is_accounted_for_and_their_order_plays_no_part() -> None:
    events = [
        chemo("09:00", "11:00"),
        bag("09:10", "10:00"),
        bag("09:10", "09:40", drug="another"),
        push("08:50", drug="x"),
        push("09:05", drug="x"),
        fluids("11:00", "11:20"),
        gave("port-flush", "12:00"),
        gave("injection", "12:10", drug_class="therapeutic", route="im"),
        bag("12:20"),
    ]
    expected = screened(events, place())
    for seed in range(6):
        mixed = list(events)
        random.Random(seed).shuffle(mixed)
        again = screened(mixed, place())
        assert (set(again.charges), set(again.holds)) == (set(expected.charges), set(expected.holds))
        assert {(s.event, s.reason) for s in again.skips} == {(s.event, s.reason) for s in expected.skips}
    told = {f.source.message for c in (*expected.charges, *expected.holds) for f in c.why.facts}
    skipped = {s.event for s in expected.skips}
    assert all(e.source.message in told or e.id in skipped for e in events)
    assert {c.start for c in expected.charges} == {date(2026, 5, 4)}


def test_a_drug_that_is_coded_too_is_billed_once() -> None:
    dose = {"code": "J9045", "dose": "450", "dose.unit": "mg", "waste": "0", "waste.unit": "mg"}
    given_ = push("09:00", **dose)
    coded = report("coded-charge", DAY, course="", code="J9045", modifier="JZ", units="8")
    other = report("coded-charge", DAY, course="", code="J9206", modifier="JZ", units="15")
    at_ = place(infusion__derives="drug")
    outcomes = screened([given_, coded, other], at_)
    assert lines(outcomes) == [("05-04", "J9045", ("JZ",), 9), ("05-04", "J9206", ("JZ",), 15)]
    assert [(s.event, s.reason) for s in outcomes.skips if s.event == coded.id] == [(coded.id, "coded-not-billed")]
    assert {f.kind for f in outcomes.findings if f.slot and f.slot.service == "drug"} == {"undercoded"}


def test_what_the_site_charges_from_elsewhere_is_left_out_and_named() -> None:
    event = chemo("09:00", "10:00", code="J9045", dose="450", **{"dose.unit": "mg"})
    none = derived([event], place(infusion__derives="none"))
    assert none.charges == ()
    assert [s.reason for s in none.skips if s.event == event.id] == ["billed-elsewhere"]
