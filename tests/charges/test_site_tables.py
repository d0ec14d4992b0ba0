"""The site's own tables loaded: fees before the prices of the site file, the charge master before its crosswalk."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from adapters.charges.prices import fee
from adapters.model.charge import Charge, Outcomes
from adapters.model.site import Family, Mode
from adapters.model.tables import FeeRow, LimitRow, LocalRow, ScheduleRow, TableKind, Tables
from adapters.pipeline import House
from tests.model.clinic import derived, fraction, held, house, report
from tests.rules.held import edition, mue, schedule, tables

DAY = date(2026, 2, 2)
FROM = date(2026, 1, 1)


def row(amount: str, *modifiers: str, payer: str = "", entity: str = "", start: date = FROM) -> FeeRow:
    return FeeRow("77263", modifiers, payer, entity, Decimal(amount), start, None)


def fees(*rows: FeeRow) -> Tables:
    return tables(edition(TableKind.FEES, *rows, release="2026"))


def master(*rows: LocalRow) -> Tables:
    return tables(edition(TableKind.CDM, *rows, release="2026-01"))


def over(loaded: Tables, **more: object) -> House:
    at = house("freestanding", **more)
    return House.of(at.rules, at.site, loaded)


def planned(at: House, day: str = "2026-02-02") -> Charge:
    (charge,) = derived([report("planning", f"{day}T09:00", complexity="complex")], at).charges
    return charge


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ((row("10"),), "10"),
        ((row("10"), row("20", entity="center")), "20"),
        ((row("20", entity="center"), row("30", payer="first")), "30"),
        ((row("30", payer="first"), row("40", payer="first", entity="center")), "40"),
        ((row("10"), row("20", "26")), "10"),
        ((row("10", payer="second"), row("20", entity="elsewhere")), None),
        ((row("10", start=date(2026, 1, 1)), row("20", start=date(2026, 1, 15))), "20"),
        ((row("0.00"),), None),
        ((row("0.00", payer="first"), row("10")), "10"),
    ],
)
def test_the_row_counts_that_names_most(rows: tuple[FeeRow, ...], expected: str | None) -> None:
    for told in (rows, rows[::-1]):
        found = fee(fees(*told), "77263", (), "center", DAY, "first")
        assert found == (None if expected is None else Decimal(expected))
    assert fee(fees(row("10"), row("20", "26"), row("30", "26", "59")), "77263", ("59", "26"), "", DAY, "") == 30


def test_a_loaded_fee_goes_before_the_site_file_and_the_line_says_so() -> None:
    at = over(fees(row("321.50", payer="first", start=date(2026, 2, 1))))
    charge, before = planned(at), planned(at, "2026-01-15")
    assert charge.price == Decimal("321.50")
    assert [(f.value, f.source.at) for f in charge.why.facts if f.name == "price"] == [("321.50", "fees 2026")]
    ours = planned(house("freestanding"))
    assert before.price == ours.price
    assert not [f for f in before.why.facts if f.name == "price"]


def test_what_neither_table_prices_is_held() -> None:
    at = over(fees(row("321.50", payer="second")), fees=())
    assert held(derived([report("planning", "2026-02-02T09:00", complexity="complex")], at).holds) == [
        ("price-missing", "planning", "77263")
    ]


# ---------------------------------------------------------------- the charge description master


def local(
    code: str, *modifiers: str, price: str = "", entity: str = "", start: date = FROM, end: date | None = None
) -> LocalRow:
    return LocalRow("RO-1", code, modifiers, "", Decimal(price) if price else None, entity, start, end)


def coded(at: House, day: str = "2026-02-02", **facts: object) -> Outcomes:
    return derived([report("coded-charge", day, local_code="RO-1", **facts)], at)  # type: ignore[arg-type]


def test_a_local_code_is_looked_up_in_the_master_then_in_the_site_file() -> None:
    at = over(master(local("77334", "LT", price="55.25")), crosswalk={"RO-1": "77263"})
    (charge,) = coded(at).charges
    assert (charge.code, charge.modifiers, charge.price) == ("77334", ("LT",), Decimal("55.25"))
    assert [(f.value, f.source.at) for f in charge.why.facts if f.name == "charge master"] == [
        ("77334-LT at 55.25", "cdm 2026-01")
    ]
    (earlier,) = coded(at, "2025-12-30").charges
    assert earlier.code == "77263"
    assert [h.code for h in coded(over(master())).holds] == ["local-code-unknown"]


def test_the_masters_line_of_the_entity_goes_first_then_the_latest() -> None:
    rows = (
        local("77332"),
        local("77333", start=date(2026, 2, 1)),
        local("77334", entity="center", start=date(2026, 1, 10)),
        local("77300", entity="elsewhere"),
    )
    for told in (rows, rows[::-1]):
        assert [c.code for c in coded(over(master(*told))).charges] == ["77334"]
    assert [c.code for c in coded(over(master(*rows[:2]))).charges] == ["77333"]


@pytest.mark.parametrize(
    ("said", "listed", "ours", "expected"),
    [
        ("510", "0335", {"77334": "0260"}, "0510"),
        ("", "0335", {"77334": "0260"}, "0335"),
        ("", "", {"77334": "0260", "device": "0333"}, "0260"),
        ("", "", {"device": "0333"}, "0333"),
        ("x9", "", {}, ""),
    ],
)
def test_the_revenue_code_is_the_messages_then_the_masters_then_the_site_files(
    said: str, listed: str, ours: dict[str, str], expected: str
) -> None:
    at = over(master(LocalRow("RO-1", "77334", (), listed, None, "", FROM, None)))
    at = House.of(at.rules, replace(at.site, revenue=ours), at.tables)
    (charge,) = coded(at, **({"revenue": said} if said else {})).charges
    assert charge.revenue == expected


def test_a_coded_charge_says_its_visit_its_series_and_who_ordered_it() -> None:
    at = over(master(local("77334")))
    (charge,) = coded(at, visit="V-1", series="S-1", ordered_by="1234567893").charges
    assert (charge.visit, charge.series, charge.ordering) == ("V-1", "S-1", "1234567893")
    assert charge.served.startswith("2026-02-02T17:00")


def test_a_derived_line_has_the_site_files_revenue_code_and_its_visit() -> None:
    at = over(master())
    at = House.of(at.rules, replace(at.site, revenue={"planning": "0333"}), at.tables)
    events = [report("planning", "2026-02-02T09:00", complexity="complex", visit="V-2", ordered_by="1234567893")]
    (charge,) = derived(events, at).charges
    assert (charge.revenue, charge.visit, charge.ordering) == ("0333", "V-2", "1234567893")


def test_what_the_message_says_itself_goes_before_the_master() -> None:
    at = over(master(local("77334", "LT", price="55.25")))
    (same,) = coded(at, code="77334", modifier="RT").charges
    assert (same.modifiers, same.price) == (("RT",), Decimal("55.25"))
    (other,) = coded(at, code="77333").charges
    assert (other.code, other.modifiers) == ("77333", ())
    assert other.price != Decimal("55.25")


def test_the_masters_price_of_the_item_goes_before_the_fee_of_its_code() -> None:
    both = tables(
        edition(TableKind.FEES, FeeRow("77334", (), "", "", Decimal(99), FROM, None), release="2026"),
        edition(TableKind.CDM, local("77334", price="55.25"), release="2026-01"),
    )
    (charge,) = coded(over(both)).charges
    assert charge.price == Decimal("55.25")
    assert "price" not in [f.name for f in charge.why.facts]


# ---------------------------------------------------------------- indicators of the fee schedule


def test_the_schedule_decides_who_bills_which_part() -> None:
    """77290 splits by our facts; a schedule that calls it professional only takes the hospital's part away."""
    at = house("hospital")
    events = [report("simulation", "2026-02-02T09:00", complexity="complex")]
    assert sorted((c.entity, c.modifiers) for c in derived(events, at).charges) == [
        ("hospital", ()),
        ("physicians", ("26",)),
    ]
    whole = House.of(at.rules, at.site, tables(schedule(ScheduleRow("77290", "", "A", "2"))))
    (charge,) = derived(events, whole).charges
    assert (charge.entity, charge.modifiers) == ("physicians", ())
    assert [f.source.at for f in charge.why.facts if f.name == "pc/tc indicator"] == ["pfs 2026A 77290"]
    packaged = tables(schedule(ScheduleRow("77290", "", "A", "1"), ScheduleRow("77290", "TC", "B", "1")))
    both = derived(events, House.of(at.rules, at.site, packaged))
    assert [c.modifiers for c in both.charges] == [("26",)]
    assert held(both.holds) == [("bundled", "simulation", "77290")]


def test_what_the_schedule_marks_na_is_not_for_a_practitioner_in_a_facility() -> None:
    """G0339 is a physician service by its indicator; a schedule that marks it NA keeps it off the physicians' claim."""
    at = house("hospital", payer_options={"stereotactic.robotic": "g-codes"})
    events = [fraction("2026-02-02T09:00", 1, regime="sbrt", platform="robotic")]
    assert [c.entity for c in derived(events, at).charges] == ["physicians"]
    marked = House.of(at.rules, at.site, tables(schedule(ScheduleRow("G0339", "", "C", "0", facility_na=True))))
    outcomes = derived(events, marked)
    assert outcomes.charges == ()
    assert held(outcomes.holds) == [("not-effective", "delivery", "G0339")]
    split = tables(schedule(ScheduleRow("77290", "", "A", "1", facility_na=True), ScheduleRow("77290", "26", "A", "1")))
    simulation = [report("simulation", "2026-02-02T09:00", complexity="complex")]
    both = derived(simulation, House.of(at.rules, at.site, split))
    assert sorted((c.entity, c.modifiers) for c in both.charges) == [("hospital", ()), ("physicians", ("26",))]


def test_a_coded_charge_past_an_absolute_limit_cites_the_edition() -> None:
    at = over(tables(mue(LimitRow("77334", 2, "2"))), families=(Family("device", Mode.COMPARE, date(2020, 1, 1)),))
    outcomes = derived([report("coded-charge", "2026-02-02", code="77334", units=3)], at)
    (hold,) = outcomes.holds
    assert (hold.code, hold.why.rule.id, hold.why.rule.file) == (
        "units-exceeded",
        "mue.practitioner",
        "mue.practitioner 2026Q4",
    )
