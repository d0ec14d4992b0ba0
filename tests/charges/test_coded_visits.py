"""A visit told twice, by its doses and by another system's codes: one charge each, and the differences are findings."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.charges import assemble
from adapters.model.charge import Charge, Outcomes
from adapters.model.event import Event
from adapters.model.record import ChargeStatus
from adapters.model.site import Family, Mode
from adapters.pipeline import House
from adapters.pipeline.step import family_by, outcomes_of, person_contexts
from tests.model.clinic import PERSON, background, fed, house, moment, paid_in_full, report

DAY = "2026-05-04"
SINCE = date(2020, 1, 1)
OPTIONS = {
    "infusion.concurrent_min_overlap": "16",
    "infusion.secondary_hydration_code": "96361",
    "infusion.hydration_intervals": "each",
    "edits.unknown_codes": "pass",
}
CHARGED = ("administration", "drug")


def place(mode: Mode | None = None, prefer: str = "ours", setting: str = "hospital") -> House:
    families = [Family(service, mode, SINCE, "", prefer) for service in CHARGED] if mode else []
    return house(setting, options=OPTIONS, families=families)


def dose(start: str, end: str = "", hcpcs: str | None = "J9045", **more: object) -> Event:
    """A dose as a record of administrations tells it: chemo at the port where nothing else is said."""
    said = {"route": "IV", "visit": "V1", "class": "chemo", "site": "port", "code": hcpcs} | more
    said = {name: value for name, value in said.items() if value is not None}
    at = f"{DAY}T{start}"
    return report("administration", at, end=f"{DAY}T{end}" if end else "", course="", **said)  # type: ignore[arg-type]


def coded(code: str, units: int = 1, *modifiers: str, day: str = DAY, number: int = 1, **more: object) -> Event:
    said = {"units": units, "modifier": modifiers, **({"code": code} if code else {}), **more}
    return report("coded-charge", day, course="", line=f"dft|{code}|{modifiers}|{number}", **said)  # type: ignore[arg-type]


def due(events: list[Event], at: House) -> Outcomes:
    assembly = assemble(PERSON, [*background(), *events], family_by(at))
    return outcomes_of(assembly, person_contexts(assembly, at), at)


def told(charges: tuple[Charge, ...]) -> Counter[tuple[str, tuple[str, ...]]]:
    found: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for charge in charges:
        found[charge.code, charge.modifiers] += charge.units
    return found


DOSES = [
    dose("09:00", "11:31"),
    dose("08:30", "08:31", hcpcs="J2469", method="IVP", **{"class": "therapeutic"}),
    dose("11:40", "12:10", hcpcs="J1453", **{"class": "therapeutic"}),
]
OURS = {("96413", ()): 1, ("96415", ()): 2, ("96367", ()): 1, ("96375", ()): 1}
THEIRS = [coded("96413"), coded("96415", 1), coded("96415", 1, number=2), coded("96367"), coded("96375")]


@pytest.mark.parametrize("mode", [None, *Mode])
@pytest.mark.parametrize("prefer", ["ours", "theirs"])
def test_the_same_visit_by_doses_and_codes_is_billed_once_in_every_mode(mode: Mode | None, prefer: str) -> None:
    found = due([*DOSES, *THEIRS], place(mode, prefer))
    assert {line: n for line, n in told(found.charges).items() if line[0].startswith("96")} == OURS
    assert [finding.kind for finding in found.findings if finding.kind != "rule-unreviewed"] == []
    assert {charge.slot.episode for charge in found.charges} == {f"{PERSON}/visit:V1"}


CODES = st.lists(
    st.tuples(st.sampled_from(["96413", "96415", "96417", "96367", "96368", "96375", "96409", "96411", "96361"]),
              st.integers(1, 3)),
    max_size=6,
)  # fmt: skip
STARTS = st.lists(
    st.tuples(st.integers(7, 15), st.integers(0, 59), st.integers(0, 200), st.sampled_from(["chemo", "therapeutic"])),
    min_size=1,
    max_size=6,
)


@given(
    drawn=STARTS, codes=CODES, order=st.integers(0, 10**6), mode=st.sampled_from([None, *Mode]), office=st.booleans()
)
def test_no_administration_is_billed_by_both_sides_and_the_order_plays_no_part(
    drawn: list[tuple[int, int, int, str]], codes: list[tuple[str, int]], order: int, mode: Mode | None, office: bool
) -> None:
    at = place(mode, setting="freestanding" if office else "hospital")
    doses = [
        dose(f"{hour:02}:{minute:02}", hcpcs=f"J{n:04}", end=_after(hour, minute, ran), **{"class": kind, "counter": n})
        for n, (hour, minute, ran, kind) in enumerate(drawn, 1)
    ]
    theirs = [coded(code, units, number=n) for n, (code, units) in enumerate(codes)]
    alone = due(doses, place(setting="freestanding" if office else "hospital"))
    both = due([*doses, *theirs], at)
    ours, found = _administered(alone), _administered(both)
    coded_units: Counter[str] = Counter()
    for code, units in codes:
        coded_units[code] += units
    if mode is Mode.ACCEPT:
        assert found == coded_units
    else:
        assert found == ours
    initial = ("96360", "96365", "96374", "96409", "96413")
    assert mode is Mode.ACCEPT or sum(found[code] for code in initial) <= 1
    mixed = [*doses, *theirs]
    random.Random(order).shuffle(mixed)
    again = due(mixed, at)
    assert set(again.charges) == set(both.charges)
    assert {(h.slot, h.code) for h in again.holds} == {(h.slot, h.code) for h in both.holds}
    told_of = {f.source.message for c in both.charges for f in c.why.facts} | {
        f.source.message for x in (*both.holds, *both.skips) for f in x.why.facts
    }
    assert {event.source.message for event in mixed} <= told_of


def _after(hour: int, minute: int, ran: int) -> str:
    at = hour * 60 + minute + ran
    return f"{at // 60:02}:{at % 60:02}"


def _administered(outcomes: Outcomes) -> Counter[str]:
    found: Counter[str] = Counter()
    held = (hold.would for hold in outcomes.holds if hold.would is not None)
    for charge in (*outcomes.charges, *held):
        if charge.slot.service == "administration":
            found[charge.code] += charge.units
    return found


def test_differences_are_findings() -> None:
    at = place(Mode.COMPARE)
    found = due([DOSES[0], coded("96413"), coded("96415", 1), coded("96372")], at)
    assert told(found.charges)["96415", ()] == 2
    kinds = Counter(finding.kind for finding in found.findings if finding.kind != "rule-unreviewed")
    assert kinds == {"undercoded": 1, "extra-charge": 1}
    assert [skip.reason for skip in found.skips if skip.reason == "coded-not-billed"] == ["coded-not-billed"] * 3


def test_a_code_without_a_dose_on_file_is_billed_until_the_doses_come() -> None:
    at = place()
    alone = due([coded("96413")], at)
    assert [(c.code, c.slot.episode) for c in alone.charges] == [("96413", f"{PERSON}/loose")]
    assert told(due([coded("96413"), DOSES[0]], at).charges)["96413", ()] == 1


def test_the_later_hours_of_a_night_meet_their_visit() -> None:
    night = report(
        "administration", f"{DAY}T23:00", end="2026-05-05T02:31", course="", route="IV", visit="V1", code="J9181",
        **{"class": "chemo"},
    )  # fmt: skip
    found = due([night, coded("96413"), coded("96415", 3, day="2026-05-05")], place())
    assert {(c.start.isoformat(), c.code, c.units) for c in found.charges if c.code.startswith("96")} == {
        (DAY, "96413", 1),
        ("2026-05-05", "96415", 3),
    }


def held(outcomes: Outcomes) -> list[tuple[str, str, str]]:
    return sorted((hold.code, hold.would.code, hold.detail) for hold in outcomes.holds if hold.would is not None)


def billed_of(outcomes: Outcomes, code: str) -> list[tuple[str, int]]:
    return sorted((charge.start.isoformat(), charge.units) for charge in outcomes.charges if charge.code == code)


@pytest.mark.parametrize("days", range(1, 8))
def test_a_code_dated_days_after_its_dose_waits_and_one_of_next_week_is_another_dose(days: int) -> None:
    dated = date.fromordinal(date.fromisoformat(DAY).toordinal() + days).isoformat()
    found = due([DOSES[0], coded("96413", day=dated)], place())
    if days <= 3:
        said = f"{days} day{'s' if days > 1 else ''} before"
        detail = f"96413 is derived of {DAY}, {said}, and no coded charge is of that date"
        assert held(found) == [("duplicate-suspected", "96413", detail)]
        assert billed_of(found, "96413") == [(DAY, 1)]
    else:
        assert held(found) == []
        assert billed_of(found, "96413") == [(DAY, 1), (dated, 1)]


def test_the_drug_too_and_the_site_says_within_how_many_days_or_never() -> None:
    drug = dose("09:00", "10:31", dose=50, dose__unit="mg", waste=0, waste__unit="mg")
    late = coded("J9045", 1, day="2026-05-06")
    assert [(code, line) for code, line, _ in held(due([drug, late], place()))] == [("duplicate-suspected", "J9045")]
    for within in ("1", "off"):
        at = place()
        at = replace(at, site=replace(at.site, options={**at.site.options, "infusion.coded_days_apart": within}))
        found = due([drug, late], at)
        assert held(found) == []
        assert [day for day, _ in billed_of(found, "J9045")] == [DAY, "2026-05-06"]


def test_a_dose_that_is_coded_on_its_own_date_leaves_a_later_code_to_another_dose() -> None:
    found = due([DOSES[0], coded("96413"), coded("96413", day="2026-05-06", number=2)], place())
    assert held(found) == []
    assert billed_of(found, "96413") == [(DAY, 1), ("2026-05-06", 1)]
    assert [charge.visit for charge in found.charges if charge.start.isoformat() == "2026-05-06"] == [""]
    both = due([DOSES[0], coded("96413", day="2026-05-06"), dose_on("2026-05-06")], place())
    assert held(both) == []
    assert billed_of(both, "96413") == [(DAY, 1), ("2026-05-06", 1)]


def dose_on(day: str) -> Event:
    said = {"route": "IV", "visit": f"V{day}", "class": "chemo", "site": "port", "code": "J9045"}
    return report("administration", f"{day}T09:00", end=f"{day}T10:31", course="", **said)  # type: ignore[arg-type]


@pytest.mark.parametrize("order", range(4))
def test_what_waits_does_so_in_any_order(order: int) -> None:
    events = [*DOSES, coded("96413", day="2026-05-05"), coded("96367", day="2026-05-06"), coded("96415", 2)]
    random.Random(order).shuffle(events)
    found = due(events, place())
    assert [(code, line) for code, line, _ in held(found)] == [
        ("duplicate-suspected", "96367"),
        ("duplicate-suspected", "96413"),
    ]


def test_a_code_of_the_day_after_is_of_the_visit_where_it_ran_over_midnight_or_the_site_says_so() -> None:
    hours = coded("96415", 2, day="2026-05-05")
    assert [code for code, _, _ in held(due([DOSES[0], hours], place()))] == ["duplicate-suspected"]
    at = place()
    at = replace(at, site=replace(at.site, options={**at.site.options, "infusion.coded_next_day": "visit"}))
    found = due([DOSES[0], hours], at)
    assert (held(found), billed_of(found, "96415")) == ([], [(DAY, 2)])
    pushed = dose("09:00", method="IVP")
    assert [code for code, _, _ in held(due([pushed, coded("96409", day="2026-05-05")], place()))] == [
        "duplicate-suspected"
    ]
    found = due([pushed, coded("96409", day="2026-05-05")], at)
    assert (held(found), billed_of(found, "96409")) == ([], [(DAY, 1)])
    until = report(
        "administration", f"{DAY}T21:00", end="2026-05-05T00:00", course="", route="IV", visit="V1", code="J9181",
        **{"class": "chemo"},
    )  # fmt: skip
    assert [code for code, _, _ in held(due([until, hours], place()))] == ["duplicate-suspected"]


def test_where_the_family_is_billed_as_coded_nothing_of_ours_is_repeated() -> None:
    found = due([DOSES[0], coded("96413", day="2026-05-06")], place(Mode.ACCEPT))
    assert held(found) == []
    assert billed_of(found, "96413") == [("2026-05-06", 1)]


# ---------------------------------------------------------------- credits


def credit(code: str, units: int, *modifiers: str, number: int = 1, **more: object) -> Event:
    return coded(code, units, *modifiers, number=1000 + number, credit=True, **more)


@given(
    moves=st.lists(st.tuples(st.sampled_from([1, 1, -1]), st.integers(1, 40)), min_size=1, max_size=8),
    order=st.integers(0, 10**6),
)
def test_credits_take_away_what_charges_add_and_nothing_is_ever_below_zero(
    moves: list[tuple[int, int]], order: int
) -> None:
    events = [(coded if sign > 0 else credit)("J1100", units, number=n) for n, (sign, units) in enumerate(moves)]
    random.Random(order).shuffle(events)
    found = due(events, place())
    net = sum(sign * units for sign, units in moves)
    lines = [c for c in found.charges if c.code == "J1100"]
    assert sum(c.units for c in lines) == max(net, 0)
    assert all(c.units > 0 for c in lines)
    assert [h.code for h in found.holds] == (["credit-exceeds-charge"] if net < 0 else [])
    assert (len([s for s in found.skips if s.reason == "credited"]) == len(moves)) == (net == 0)


def test_the_quantity_of_the_drug_code_adds_up_with_its_units() -> None:
    drug = {"ndc": "99701-0310-1", "ndc.unit": "ML"}
    events = [
        coded("J1100", 10, number=1, **drug, **{"ndc.quantity": "2.5"}),
        credit("J1100", 4, **drug, **{"ndc.quantity": "1"}),
    ]
    (line,) = due(events, place()).charges
    assert (line.units, line.ndc, line.ndc_quantity, line.ndc_unit) == (6, "99701031001", Decimal("1.5"), "ML")
    events.append(coded("J1100", 1, number=2, **{**drug, "ndc.unit": "UN", "ndc.quantity": "1"}))
    (line,) = due(events, place()).charges
    assert (line.units, line.ndc_quantity, line.ndc_unit) == (7, None, "")


def test_modifiers_dates_and_drug_codes_are_lines_of_their_own() -> None:
    events = [coded("J1100", 5, "JZ"), credit("J1100", 5), coded("J1100", 3, day="2026-05-05", number=3)]
    found = due(events, place())
    assert told(found.charges) == {("J1100", ("JZ",)): 5, ("J1100", ()): 3}
    assert [h.code for h in found.holds] == ["credit-exceeds-charge"]


def test_a_local_code_meets_the_dose_of_its_code_and_none_of_nothing() -> None:
    at = house("hospital", options=OPTIONS, crosswalk={"L7": "J9045", "L8": "96413"})
    given_drug = dose(
        "09:00",
        "10:00",
        dose="450",
        waste="0",
        vial="1|450|mg|single-dose||",
        **{"dose.unit": "mg", "waste.unit": "mg"},
    )
    local = [coded("", 1, local_code="L7"), coded("", 1, local_code="L8", number=2)]
    alone, both = told(due([given_drug], at).charges), told(due([given_drug, *local], at).charges)
    assert alone == both
    assert alone["J9045", ("JZ",)] == 9
    fluids = dose("09:00", "10:00", hcpcs=None, **{"class": "hydration"})
    unknown = due([fluids, coded("", 1, local_code="L9")], at)
    assert [h.code for h in unknown.holds if h.slot.episode.endswith("loose")] == ["local-code-unknown"]


@pytest.mark.parametrize("mode", [None, *Mode])
def test_a_code_that_was_billed_and_paid_before_its_dose_came_is_never_billed_again(mode: Mode | None) -> None:
    families = [Family(service, mode, SINCE) for service in CHARGED] if mode else []
    at = house("freestanding", options=OPTIONS, families=families, cycle="day", payer_options={"edits.pairs": "off"})
    theirs = coded("96413", by="1999999984")
    first = fed([*background(), theirs], at, moment("2026-05-06"))
    paid = paid_in_full(first, at, moment("2026-05-06"))
    later = fed([dose("09:00", "10:00", by="1999999984")], at, moment("2026-05-08"), paid)
    live = [c for c in later.charges if c.status is not ChargeStatus.VOID and c.charge.code == "96413"]
    if mode is Mode.COMPARE or mode is Mode.DERIVE:
        assert first.charges == ()  # a family that the record charges: a code alone is a finding
    else:
        assert [c.id for c in live] == [first.charges[0].id]
        assert len(paid.claims) == len(later.claims) == 1
    billed = [line for claim in later.claims for line in claim.claim.lines if line.code == "96413"]
    assert len(live) == 1
    assert len(billed) == 1
