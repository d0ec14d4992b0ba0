"""What holds on a date of service."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import permutations

from adapters.charges.assemble import current
from adapters.context import coverage_on, coverages, demographics, diagnoses_known
from adapters.model.event import Event, Status
from adapters.model.site import DatedOptions, Payer
from adapters.pipeline import House
from tests.model.clinic import (
    assembled,
    contexts,
    derived,
    diagnosed,
    ended,
    exams,
    house,
    insured,
    report,
    rules,
    sessions,
    site,
)

DAY = date(2026, 1, 5)


def known(*events: Event) -> list[tuple[str, str, int]]:
    context, _ = current(events)
    return [(c.payer, c.member, c.order) for c in coverages(context, site())]


def test_a_payer_is_known_by_id_alias_or_name() -> None:
    by_name = report("coverage", "2026-01-01", course="", payer="ZZ", payer__name="First Health", member="M", order=1)
    assert known(by_name) == [("first", "M", 1)]
    assert known(insured("FIRST HEALTH")) == [("first", "M-1", 1)]
    assert known(insured("Elsewhere")) == [("Elsewhere", "M-1", 1)]


def test_coverages_come_primary_first_and_withdrawn_ones_are_none() -> None:
    second = insured("second", order=2)
    gone = report("coverage", "2026-01-01", course="", payer="first", member="X", status=Status.WITHDRAWN)
    assert known(second, insured(order=1), gone) == [("first", "M-1", 1), ("second", "M-1", 2)]


def test_two_feeds_that_report_one_plan_say_one_coverage() -> None:
    ours = insured(said="2026-01-01", line="adt")
    theirs = insured(to="2026-06-30", said="2026-01-02", line="fhir")
    for order in permutations([ours, theirs]):
        (coverage,) = coverages(order, site())
        assert coverage.end == date(2026, 6, 30)


def test_a_date_is_covered_by_the_primary_then_by_the_one_that_began_last() -> None:
    old = insured("first", "2020-01-01")
    new = insured("second", "2026-01-01")
    minor = insured("first", "2026-01-02", order=2, line="x")
    found = coverages([old, new, minor], site())
    assert coverage_on(found, DAY) == next(c for c in found if c.payer == "second")
    covered = coverage_on(found, date(2025, 12, 31))
    assert covered is not None
    assert covered.payer == "first"
    assert coverage_on(found, date(2019, 12, 31)) is None


def test_a_person_is_told_by_the_last_word_on_each_thing() -> None:
    first = report(
        "patient", "2026-01-01", course="", said="2026-01-01", line="a", family="Quill", birth_date="1950-02-03"
    )
    later = report(
        "patient", "2026-01-01", course="", said="2026-01-02", line="b", family="Quillfeather", address__city="Salem"
    )
    for order in permutations([first, later]):
        person = demographics(order)
        assert (person.family, person.city, person.birth_date) == ("Quillfeather", "Salem", date(1950, 2, 3))
    assert demographics([]).birth_date is None


def test_diagnoses_of_visits_and_courses_stand_for_silent_reports() -> None:
    whole = report("course", "2026-01-01", label="C1", diagnosis=("C61", "C79.51"))
    assert diagnoses_known([diagnosed("C61"), whole, insured()]) == ("C61", "C79.51")
    assert diagnoses_known([]) == ()


def test_the_payers_options_go_before_the_sites_and_both_before_the_default() -> None:
    at = house(options={"management.dos": "first_fraction", "bid_repeat": "second-line-modifier-59"})
    payer = at.site.payers[0]
    assert isinstance(payer, Payer)
    own = house(options=at.site.options, payer_options={"bid_repeat": "second-line-modifier-76"})
    context = contexts(own, [insured()]).of(DAY, own.site.facilities[0])
    assert context.option("bid_repeat") == "second-line-modifier-76"
    assert context.option("management.dos") == "first_fraction"
    assert context.option("igrt.review") == "before-next"
    assert context.options == {"management.dos": "first_fraction", "bid_repeat": "second-line-modifier-76"}
    nobody = contexts(own, []).of(DAY, own.site.facilities[0])
    assert nobody.coverage is None
    assert nobody.words["payer.kind"] == "unknown"
    assert nobody.option("bid_repeat") == "second-line-modifier-59"


def test_a_context_is_that_of_its_day_and_place() -> None:
    at = house("both")
    found = contexts(at, [insured("first", to="2026-01-04"), insured("second", "2026-01-05")])
    main, center = at.site.facilities
    assert [found.of(day, main).words["payer"] for day in (date(2026, 1, 4), DAY)] == ["first", "second"]
    assert found.of(DAY, center).words["setting"] == "freestanding"
    assert found.of(DAY, main) is found.of(DAY, main)


def test_a_place_is_the_one_named_then_the_feeds_then_the_first() -> None:
    found = contexts(house("both"), [])
    assert found.place("CENTER", "rt").id == "CENTER"
    assert found.place("main hall", "rt").id == "MAIN"
    assert found.place("", "rt").id == "MAIN"
    assert found.place("unknown", "no feed").id == "MAIN"


def test_the_diagnoses_of_a_person_reach_the_contexts() -> None:
    assert contexts(house(), assembled([diagnosed("C61")]).context).diagnoses == ("C61",)


def test_dated_options_hold_from_their_day_the_payer_over_the_site() -> None:
    """On a date of service holds what had begun by then: of the payer first, of the later statement first."""
    name = "management.short_three_four"
    base = site("freestanding", options={name: "no"})
    changes = (DatedOptions(date(2026, 7, 1), {name: "no"}), DatedOptions(date(2026, 3, 1), {name: "yes"}))
    dated = replace(base, payers=(replace(base.payers[0], dated_options=changes), *base.payers[1:]))
    found = contexts(House.of(rules(), dated), [insured()])
    place = dated.facilities[0]
    told = [found.of(day, place).option(name) for day in (DAY, date(2026, 3, 1), date(2026, 6, 30), date(2026, 7, 1))]
    assert told == ["no", "yes", "yes", "no"]
    assert found.of(date(2026, 6, 30), place).options[name] == "yes"
    sites = replace(base, dated_options=(DatedOptions(date(2026, 2, 1), {name: "yes"}),))
    found = contexts(House.of(rules(), sites), [insured()])
    assert [found.of(day, place).option(name) for day in (DAY, date(2026, 2, 1))] == ["no", "yes"]


def test_a_dated_option_changes_the_charges_of_its_days_only() -> None:
    """Three sessions end a course: whether they earn a unit is asked of the payer's option on their date."""
    name = "management.short_three_four"
    base = site("freestanding", options={name: "no"}, kind="commercial")
    later = replace(base, dated_options=(DatedOptions(date(2026, 3, 1), {name: "yes"}),))
    house = House.of(rules(), later)
    for first, units in (("2026-02-02", 0), ("2026-03-02", 1)):
        events = sessions(first, 3)
        charges = derived([*events, *exams(events), ended(events[-1].day)], house).charges
        assert len([c for c in charges if c.code == "77427"]) == units
