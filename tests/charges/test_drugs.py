"""Drug lines of a visit: units, waste, vials, NDC and the modifiers of the day, from reports to lines."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.charges.doses import Amount, amount, as_billed, ndc_of, vial
from adapters.model.charge import Charge
from adapters.model.event import Event
from adapters.pipeline import House
from tests.model.clinic import derived, diagnosed, house, report

AT = "2026-05-04T09:00"


def given_drug(code: str, dose: str, unit: str = "mg", *vials: str, at: str = AT, **more: object) -> Event:
    """A push of a drug; only its drug is looked at here."""
    said: dict[str, object] = {"class": "therapeutic", "code": code, "dose": dose, "dose.unit": unit, "vial": vials}
    return report("push", at, **said, **more)  # type: ignore[arg-type]


def place(**options: str) -> House:
    return house("freestanding", options={"infusion.derives": "drug", **options})


def holds(*events: Event, at: House | None = None) -> list[tuple[str, str]]:
    return [
        (h.code, h.detail) for h in derived([diagnosed(), *events], at or place()).holds if h.code != "price-missing"
    ]


def billed(*events: Event, at: House | None = None) -> list[Charge]:
    """Every line, priced or not: prices are no matter of these tests."""
    outcomes = derived([diagnosed(), *events], at or place())
    return [*outcomes.charges, *(h.would for h in outcomes.holds if h.would is not None)]


def told(*events: Event, at: House | None = None) -> set[tuple[str, tuple[str, ...], int]]:
    return {(c.code, c.modifiers, c.units) for c in billed(*events, at=at)}


@pytest.mark.parametrize(
    ("code", "dose", "vials", "waste", "expected"),
    [
        (
            "J9312",
            "680",
            ("1|500|mg|single-dose||", "2|100|mg|single-dose||"),
            "20",
            {("J9312", (), 68), ("J9312", ("JW",), 2)},
        ),
        ("J9035", "760", ("2|400|mg|single-dose||",), "40", {("J9035", (), 76), ("J9035", ("JW",), 4)}),
        ("J9355", "412", ("3|150|mg|single-dose||",), "38", {("J9355", (), 42), ("J9355", ("JW",), 3)}),
        (
            "J9263",
            "145",
            ("1|100|mg|single-dose||", "1|50|mg|single-dose||"),
            "5",
            {("J9263", (), 290), ("J9263", ("JW",), 10)},
        ),
        ("J9305", "925", ("2|500|mg|single-dose||",), "75", {("J9305", (), 93), ("J9305", ("JW",), 7)}),
        ("J9041", "2.27", ("1|3.5|mg|single-dose||",), "1.23", {("J9041", (), 23), ("J9041", ("JW",), 12)}),
        ("J9271", "200", ("2|100|mg|single-dose||",), "0", {("J9271", ("JZ",), 200)}),
        ("J9045", "570", ("1|450|mg|single-dose||", "1|150|mg|single-dose||"), "30", {("J9045", ("JZ",), 12)}),
        ("J9190", "930", ("1|2500|mg|multi-dose||",), "", {("J9190", (), 2)}),
    ],
)
def test_units_and_waste_as_the_facts_reckon_them(
    code: str, dose: str, vials: tuple[str, ...], waste: str, expected: set[tuple[str, tuple[str, ...], int]]
) -> None:
    """The vectors of the facts (2.2)."""
    said = {"waste": waste, "waste__unit": "mg"} if waste else {}
    assert told(given_drug(code, dose, "mg", *vials, **said)) == expected


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        ("0.25", "mg", Amount(Decimal("0.25"), "mg")),
        ("250", "mcg", Amount(Decimal("0.250"), "mg")),
        ("250", "µg", Amount(Decimal("0.250"), "mg")),
        ("1.2", "g", Amount(Decimal("1200.0"), "mg")),
        ("15", "IU", Amount(Decimal(15), "units")),
        ("3", "mL", Amount(Decimal(3), "ml")),
        ("3", "puffs", None),
        ("-3", "mg", None),
        ("", "mg", None),
    ],
)
def test_doses_in_their_base_units(value: str, unit: str, expected: Amount | None) -> None:
    assert amount(value, unit) == expected


def test_a_volume_is_a_dose_where_the_vials_tell_their_concentration() -> None:
    strong, weak = vial("1|100|mg|single-dose||10|mL"), vial("1|100|mg|single-dose||4|mL")
    assert strong is not None
    assert weak is not None
    assert as_billed(Amount(Decimal(25), "ml"), "mg", [strong]) == Decimal(250)
    assert as_billed(Amount(Decimal(25), "ml"), "mg", [strong, weak]) is None
    assert as_billed(Amount(Decimal(25), "ml"), "mg", []) is None
    assert as_billed(Amount(Decimal(5), "mg"), "units", [strong]) is None
    event = given_drug("J9299", "24", "mL", "1|240|mg|single-dose||24|mL")
    assert told(event) == {("J9299", ("JZ",), 240)}


def test_a_drug_billed_by_the_vial_is_reckoned_in_vials() -> None:
    event = given_drug("J9266", "5625", "units", "2|3750|units|single-dose||", waste="1875", waste__unit="units")
    assert told(event) == {("J9266", ("JZ",), 2)}


def test_what_was_given_and_discarded_must_be_what_the_vials_held() -> None:
    wrong = given_drug("J9045", "435", "mg", "1|450|mg|single-dose||", waste="20", waste__unit="mg")
    assert holds(wrong) == [("documentation-missing", "given and discarded are not what the opened vials held")]
    assert not billed(wrong)
    silent = given_drug("J9045", "435", "mg", "1|450|mg|single-dose||")
    assert holds(silent) == [("documentation-missing", "the discarded amount of the opened vials")]
    more = given_drug("J9045", "500", "mg", "1|450|mg|single-dose||")
    assert holds(more)[0][0] == "documentation-missing"
    nothing = given_drug("J9045", "435")
    assert holds(nothing) == [("documentation-missing", "the discarded amount, or that nothing was")]
    unread = given_drug("J9045", "450", "mg", "1|450|mg|single-dose|91230-45-06|")
    assert holds(unread) == [("review-needed", "a vial whose strength or NDC cannot be read")]
    mixed = given_drug("J9045", "435", "mg", "1|450|mg|single-dose||", "1|50|mg|multi-dose||")
    assert holds(mixed)[0][0] == "review-needed"


def test_waste_follows_the_payer_and_the_date() -> None:
    def dose(at: str) -> Event:
        return given_drug("J9045", "150", "mg", "1|450|mg|single-dose||", at=at, waste="300", waste__unit="mg")

    def whole(at: str) -> Event:
        return given_drug("J9045", "450", "mg", "1|450|mg|single-dose||", at=at, waste="0", waste__unit="mg")

    assert told(dose(AT)) == {("J9045", (), 3), ("J9045", ("JW",), 6)}
    assert told(whole("2023-06-30T09:00")) == {("J9045", (), 9)}
    assert told(whole("2023-07-01T09:00")) == {("J9045", ("JZ",), 9)}
    commercial = house("freestanding", kind="commercial", options={"infusion.derives": "drug"})
    assert holds(dose(AT), at=commercial) == [("option-missing", "drugs.wastage")]


def test_340b_drugs_bear_what_the_date_asks() -> None:
    def dose(at: str) -> Event:
        return given_drug(
            "J9045", "450", "mg", "1|450|mg|single-dose||", at=at, waste="0", waste__unit="mg", acquired="340b"
        )

    assert told(dose("2025-01-01T09:00")) == {("J9045", ("JZ", "TB"), 9)}
    assert holds(dose("2024-12-31T09:00")) == [("option-missing", "drugs.modifier_340b_2024")]
    jg = place(**{"drugs.modifier_340b_2024": "JG"})
    assert told(dose("2024-12-31T09:00"), at=jg) == {("J9045", ("JZ", "JG"), 9)}
    assert told(dose("2025-01-01T09:00"), at=jg) == {("J9045", ("JZ", "TB"), 9)}


@pytest.mark.parametrize(
    ("label", "claim"),
    [
        ("9971-4002-11", "09971400211"),
        ("99701-310-12", "99701031012"),
        ("99701-0310-1", "99701031001"),
        ("99701-0310-12", "99701031012"),
        ("99701031012", "99701031012"),
        ("9970131012", ""),
        ("99701-31-12", ""),
        ("99701-31O-12", ""),
        ("", ""),
    ],
)
def test_drug_codes_in_eleven_digits(label: str, claim: str) -> None:
    assert ndc_of(label) == claim


def test_each_ndc_has_its_line_with_its_millilitres() -> None:
    at = place(**{"drugs.ndc_units": "J9299:ML"})
    event = given_drug(
        "J9299",
        "330",
        "mg",
        "3|100|mg|single-dose|91230-045-06|10|mL",
        "1|40|mg|single-dose|91230-045-07|4|mL",
        waste="10",
        waste__unit="mg",
    )
    found = {(c.modifiers, c.units, c.ndc, c.ndc_unit, c.ndc_quantity) for c in billed(event, at=at)}
    assert found == {
        ((), 300, "91230004506", "ML", Decimal(30)),
        ((), 30, "91230004507", "ML", Decimal(3)),
        (("JW",), 10, "91230004507", "ML", Decimal(1)),
    }
    assert {(c.ndc, c.ndc_quantity) for c in billed(event)} == {("91230004506", None), ("91230004507", None)}


def test_a_code_whose_unit_is_unknown_waits_until_the_site_says_it() -> None:
    event = given_drug("J9000", "40", "mg", "4|10|mg|single-dose||")
    assert told(event, at=place(**{"drugs.units": "J9000:20mg"})) == {("J9000", ("JZ",), 2)}
    unlisted = given_drug("J0001", "40")
    assert holds(unlisted) == [("review-needed", "what one billing unit of J0001 is, is not known: option drugs.units")]
    nameless = given_drug("J9999", "40")
    assert [code for code, _ in holds(nameless)] == ["review-needed"]


def test_doses_of_one_drug_on_a_day_are_one_line() -> None:
    doses = [
        given_drug("J1100", "4", "mg", "1|20|mg|multi-dose||", at=f"2026-05-04T{hour}:00") for hour in ("09", "11")
    ]
    assert told(*doses) == {("J1100", (), 8)}


SIZES = st.sampled_from(["J9263", "J9041", "J9045", "J9305", "J9312", "J9190", "J9206"])
UNIT = {"J9263": "0.5", "J9041": "0.1", "J9045": "50", "J9305": "10", "J9312": "10", "J9190": "500", "J9206": "20"}


@given(code=SIZES, strengths=st.lists(st.integers(1, 1200), min_size=1, max_size=4), part=st.fractions(0, 1))
def test_billed_and_discarded_units_are_what_the_vials_held(code: str, strengths: list[int], part: object) -> None:
    """Never more than dispensed, but for the one unit that rounding up a dose may take."""
    total = Decimal(sum(strengths))
    dose = max(Decimal(1), (total * int(part * 1000) / 1000).quantize(Decimal("0.1")))  # type: ignore[operator]
    vials = tuple(f"1|{strength}|mg|single-dose|91230-{i:03}-01|" for i, strength in enumerate(strengths))
    found = billed(given_drug(code, str(dose), "mg", *vials, waste=str(total - dose), waste__unit="mg"))
    unit = Decimal(UNIT[code])
    given_units = sum(c.units for c in found if "JW" not in c.modifiers)
    wasted = sum(c.units for c in found if "JW" in c.modifiers)
    assert (given_units - 1) * unit < dose <= given_units * unit
    assert given_units + wasted == max(given_units, int(total // unit))
    assert all(c.units > 0 for c in found)
    assert (wasted == 0) == all("JZ" in c.modifiers for c in found)
