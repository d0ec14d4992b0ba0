"""Money, codes, provenance, coverage, events, episodes: values that refuse to be wrong."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, FrozenInstanceError, fields, replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import Inexact
from adapters.model import codes, money
from adapters.model.charge import Charge, Component, Outcomes, Skip, Slot
from adapters.model.coverage import Coverage
from adapters.model.episode import Episode
from adapters.model.event import Status, problems_of
from adapters.model.facts import FACTS
from adapters.model.kinds import KINDS, Role
from adapters.model.people import Identifier, PersonHint
from adapters.model.site import Family, Mode
from adapters.model.why import Fact, RuleRef, Source, Why
from adapters.model.work import item_id, open_item
from tests.model.clinic import assembled, fraction, report, site

RULE = RuleRef("r", "r.toml", date(2026, 1, 1), "0" * 64, "house")
WHY = Why(RULE, (Fact("event", "fraction", Source("m", "FT1[1]")),))


@pytest.mark.parametrize(
    ("amount", "minor", "words"),
    [("0", 0, "0.00"), ("12.5", 1250, "12.50"), ("-0.01", -1, "-0.01"), ("1E+3", 100000, "1000.00")],
)
def test_an_amount_is_whole_cents(amount: str, minor: int, words: str) -> None:
    assert money.cents(Decimal(amount)) == minor
    assert money.text(minor) == words


@pytest.mark.parametrize("amount", ["0.001", "NaN", "Infinity", "-1.999"])
def test_what_is_not_whole_cents_is_refused(amount: str) -> None:
    with pytest.raises(Inexact):
        money.cents(Decimal(amount))


@given(st.integers(-(10**12), 10**12))
def test_cents_and_decimals_are_one_thing(minor: int) -> None:
    assert money.cents(money.decimal(minor)) == minor
    assert money.cents(Decimal(money.text(minor))) == minor


def test_a_price_with_parts_of_a_cent_is_rounded_half_up_once() -> None:
    assert money.extend(Decimal("0.335"), 1) == 34
    assert money.extend(Decimal("0.335"), 2) == 67
    assert money.extend(Decimal("2.00"), 7) == 1400


@pytest.mark.parametrize(("code", "plain"), [("c50412", "C50.412"), ("C61", "C61"), (" C50.412 ", "C50.412")])
def test_a_diagnosis_has_its_point(code: str, plain: str) -> None:
    assert codes.icd10cm(code) == plain


@pytest.mark.parametrize(
    ("code", "fits", "system"),
    [
        ("77427", True, codes.CPT),
        ("G6015", True, codes.HCPCS),
        ("0394T", True, codes.CPT),
        ("DEL-3D", False, codes.CPT),
    ],
)
def test_a_code_is_known_by_its_form(code: str, fits: bool, system: str) -> None:
    assert codes.is_procedure_code(code) is fits
    assert codes.system_of(code) == system


def test_an_outcome_without_a_fact_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="rests on no fact"):
        Why(RULE, ())


def test_a_why_names_its_messages() -> None:
    other = Fact("n", "1", Source("m2", "FT1[1]-25"))
    assert Why(RULE, (*WHY.facts, other)).messages() == {"m", "m2"}


def test_a_charge_is_made_as_its_fields_say_and_is_frozen_then() -> None:
    made = list(inspect.signature(Charge).parameters.values())
    told = [(one.name, inspect.Parameter.empty if one.default is MISSING else one.default) for one in fields(Charge)]
    assert [(one.name, one.default) for one in made] == told
    day = date(2026, 1, 5)
    slot = Slot("e", "delivery", "1", "clinic:global")
    charge = Charge(slot, "1", ("26",), 2, None, day, day, ("C61",), Component.GLOBAL, "clinic", WHY, served="x")
    values = {one.name: getattr(charge, one.name) for one in fields(Charge)}
    assert Charge(**values) == charge
    assert (charge.served, charge.ndc_quantity, charge.why) == ("x", None, WHY)
    assert {one.name: getattr(replace(charge, units=3), one.name) for one in fields(Charge)} == values | {"units": 3}
    with pytest.raises(FrozenInstanceError):
        charge.units = 4  # type: ignore[misc]


def test_values_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        WHY.rule = RULE  # type: ignore[misc]


@pytest.mark.parametrize(
    ("day", "holds"), [("2025-12-31", False), ("2026-01-01", True), ("2026-06-30", True), ("2026-07-01", False)]
)
def test_both_end_days_of_a_coverage_are_inside(day: str, holds: bool) -> None:
    coverage = Coverage("c", "p", "m", date(2026, 1, 1), date(2026, 6, 30))
    assert coverage.holds_on(date.fromisoformat(day)) is holds
    assert Coverage("c", "p", "m").holds_on(date.fromisoformat(day))


def charge(**changes: object) -> Charge:
    slot = Slot("p1/C1", "delivery", "uid:1", "hospital:technical")
    day = date(2026, 1, 5)
    base = Charge(slot, "77407", (), 2, Decimal("10.05"), day, day, ("C61",), Component.TECHNICAL, "hospital", WHY)
    return replace(base, **changes)  # type: ignore[arg-type]


def test_a_charge_is_the_same_bill_whatever_its_evidence() -> None:
    other = Why(RULE, (Fact("event", "again", Source("m9", "FT1[2]")),))
    assert charge() == charge(why=other) == charge(coverage="medicare|1")
    assert charge() != charge(units=1)
    assert charge() != charge(diagnoses=("C50.412",))


def test_a_charge_extends_its_price_and_without_one_has_no_amount() -> None:
    assert charge().amount == 2010
    with pytest.raises(ValueError, match="without a price"):
        _ = charge(price=None).amount


def test_outcomes_add_up() -> None:
    skip = Skip("e", "context", WHY)
    both = Outcomes(charges=(charge(),)) + Outcomes(skips=(skip,))
    assert both.charges == (charge(),)
    assert both.skips == (skip,)


def test_every_kind_of_event_has_a_role_and_the_tables_are_checked() -> None:
    assert set(KINDS.values()) == set(Role)
    assert fraction("2026-01-05T09:00", 1).role is Role.SERVICE
    bad = replace(
        fraction("2026-01-05T09:00", 1),
        kind="tea",
        start=datetime(2026, 1, 5),  # noqa: DTZ001 - a time without its zone is what is refused
        facts=(Fact("colour", "red", Source("m", "x")), Fact("n", "one", Source("m", "y"))),
    )
    said = list(problems_of(bad))
    assert len(said) == 4
    assert not [words for words in said if "red" in words or "one" in words.split()]


@pytest.mark.parametrize("name", sorted(FACTS))
def test_no_fact_may_be_empty(name: str) -> None:
    assert not FACTS[name].fullmatch("")


def test_an_event_tells_its_facts_by_type() -> None:
    event = fraction("2026-01-05T09:00", 7, motion__active=True, diagnosis=("C61", "C79.51"))
    assert event.whole("n") == 7
    assert event.whole("images") is None
    assert event.flag("motion.active") is True
    assert event.flag("motion.documented") is None
    assert event.values("diagnosis") == ("C61", "C79.51")
    assert event.value("plan", "none") == "none"
    reviewed = report("fraction", "2026-01-05T09:00", guidance__reviewed_at="2026-01-05T13:00:00Z")
    assert reviewed.instant("guidance.reviewed_at") == datetime(2026, 1, 5, 13, tzinfo=UTC)
    assert event.instant("guidance.reviewed_at") is None


def test_an_episode_tells_what_was_delivered_and_when() -> None:
    gone = fraction("2026-01-06T09:00", 2, status=Status.WITHDRAWN)
    (episode,) = assembled([fraction("2026-01-05T09:00", 1), gone]).episodes
    assert isinstance(episode, Episode)
    assert [o.whole("n") for o in episode.of("fraction")] == [1]
    assert episode.days == (date(2026, 1, 5), date(2026, 1, 6))
    first = episode.occurrences[0]
    assert first.named.value == "fraction on 2026-01-05"
    assert (first.flag("report"), first.instant("guidance.reviewed_at"), first.whole("count")) == (None, None, None)
    assert first.values("technique") == ("3d",)


def test_a_hint_is_known_by_anything_it_names() -> None:
    assert not PersonHint().known
    assert PersonHint(reference="Patient/1").known
    assert PersonHint((Identifier("mrn", "1"),)).known


def test_a_site_finds_by_id_and_alias() -> None:
    clinic = site("both")
    assert clinic.facility("main hall") is clinic.facility("MAIN") is clinic.facilities[0]
    assert clinic.facility("elsewhere") is None
    assert clinic.payer("First Health") is clinic.payer("first")
    assert clinic.payer("nobody") is None
    assert clinic.feed("ehr") is not None
    assert clinic.feed("fax") is None


def test_a_family_is_that_of_the_place_then_the_latest() -> None:
    since, later = date(2020, 1, 1), date(2026, 1, 1)
    everywhere = Family("delivery", Mode.DERIVE, since)
    anew = Family("delivery", Mode.COMPARE, later)
    here = Family("delivery", Mode.ACCEPT, since, "MAIN")
    clinic = site("both", families=(everywhere, anew, here))
    assert clinic.mode("delivery", date(2025, 6, 1), "CENTER") is everywhere
    assert clinic.mode("delivery", date(2026, 6, 1), "CENTER") is anew
    assert clinic.mode("delivery", date(2026, 6, 1), "MAIN") is here
    assert clinic.mode("delivery", date(2019, 6, 1), "CENTER") is None
    assert clinic.mode("guidance", date(2026, 6, 1), "MAIN") is None


def test_the_same_trouble_is_the_same_item() -> None:
    at = datetime(2026, 1, 5, tzinfo=UTC)
    one = open_item("denial", "197", "claim", category="c", action="a", opened=at, which="1")
    two = open_item("denial", "197", "claim", category="c", action="a", opened=at, which="2")
    assert one.id == item_id("denial", "claim|1", "197") != two.id
    assert one.about == two.about == "claim"
