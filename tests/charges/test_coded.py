"""Charges that another system has coded: the three modes, and every finding."""

from __future__ import annotations

from datetime import date

import pytest

from adapters.model.charge import Charge, Finding, Outcomes
from adapters.model.event import Event, Status
from adapters.model.site import Family, Mode, Price
from adapters.pipeline import House
from tests.model.clinic import (
    derived,
    exam,
    fraction,
    held,
    house,
    prices,
    report,
    sessions,
    told,
)

SINCE = date(2020, 1, 1)
DAY = "2026-01-05"
SESSION = fraction(f"{DAY}T09:00", 1, uid="2.25.1")


def coded(code: str, day: str = DAY, **more: object) -> Event:
    """A charge line of the hospital's system."""
    if not code:
        return report("coded-charge", day, **more)  # type: ignore[arg-type]
    return report("coded-charge", day, code=code, **more)  # type: ignore[arg-type]


def place(mode: Mode, *, service: str = "delivery", prefer: str = "ours", facility: str = "", **more: object) -> House:
    return house(families=(Family(service, mode, SINCE, facility, prefer),), **more)


def kinds(findings: tuple[Finding, ...]) -> list[tuple[str, str]]:
    return sorted((f.kind, f.about) for f in findings)


def skipped(outcomes: Outcomes, event: Event) -> list[str]:
    return [s.reason for s in outcomes.skips if s.event == event.id]


def billed(outcomes: Outcomes) -> list[str]:
    return [c.code for c in outcomes.charges]


# ---------------------------------------------------------------- derive


def test_derive_bills_ours_and_accounts_for_theirs() -> None:
    theirs = coded("77407")
    outcomes = derived([SESSION, theirs], place(Mode.DERIVE))
    assert billed(outcomes) == ["77407"]
    assert outcomes.charges[0].why.messages() == {SESSION.source.message, "site", "rules"}
    assert skipped(outcomes, theirs) == ["coded-not-billed"]
    assert not outcomes.findings


def test_derive_is_the_default_where_the_record_tells_the_service() -> None:
    assert derived([SESSION, coded("77412")], house()).charges == derived([SESSION], house()).charges


def test_accept_is_the_default_where_no_record_tells_it() -> None:
    outcomes = derived([coded("77263", units="1", diagnosis="C61", by="1999999901")])
    (charge,) = outcomes.charges
    assert (charge.code, charge.units, charge.diagnoses, charge.rendering) == ("77263", 1, ("C61",), "1999999901")
    assert charge.slot.part == "physicians:professional"
    assert not outcomes.skips


@pytest.mark.parametrize(
    ("theirs", "finding"),
    [(coded("77402"), "undercoded"), (coded("77412"), "overcoded"), (coded("77407", units="2"), "overcoded")],
)
def test_derive_remarks_what_differs_and_bills_ours(theirs: Event, finding: str) -> None:
    outcomes = derived([SESSION, theirs], place(Mode.DERIVE))
    assert billed(outcomes) == ["77407"]
    assert kinds(outcomes.findings) == [(finding, SESSION.id)]
    assert outcomes.findings[0].value == theirs.value("code")


def test_a_coded_charge_without_a_service_is_a_finding_never_a_bill() -> None:
    extra = coded("77407", "2026-01-07")
    outcomes = derived([SESSION, extra], place(Mode.DERIVE))
    assert len(outcomes.charges) == 1
    assert kinds(outcomes.findings) == [("extra-charge", extra.id)]
    assert skipped(outcomes, extra) == ["coded-not-billed"]


def test_what_we_hold_without_a_line_meets_theirs_without_a_finding() -> None:
    unset = house(options={}, families=(Family("delivery", Mode.DERIVE, SINCE),))
    session, theirs = fraction("2025-12-30T09:00", 1), coded("77412", "2025-12-30")
    outcomes = derived([session, theirs], unset)
    assert held(outcomes.holds) == [("option-missing", "delivery", "")]
    assert skipped(outcomes, theirs) == ["coded-not-billed"]
    assert not outcomes.charges
    assert not outcomes.findings


# ---------------------------------------------------------------- accept


def test_accept_bills_theirs_in_our_slot_and_leaves_ours() -> None:
    outcomes = derived([SESSION, coded("77412")], place(Mode.ACCEPT))
    (charge,) = outcomes.charges
    assert (charge.code, charge.slot.key) == ("77412", "uid:2.25.1")
    assert skipped(outcomes, SESSION) == ["coded-elsewhere"]
    assert not outcomes.holds


def test_accept_remarks_a_service_without_its_coded_charge() -> None:
    second = fraction("2026-01-06T09:00", 2)
    outcomes = derived([SESSION, second, coded("77407")], place(Mode.ACCEPT))
    assert billed(outcomes) == ["77407"]
    assert kinds(outcomes.findings) == [("missed-charge", second.id)]
    assert skipped(outcomes, second) == ["coded-elsewhere"]


def test_accept_leaves_our_holds_too_and_accounts_for_their_events() -> None:
    at = place(Mode.ACCEPT, options={})
    session = fraction("2025-12-30T09:00", 1)
    outcomes = derived([session, coded("77412", "2025-12-30")], at)
    assert billed(outcomes) == ["77412"]
    assert not outcomes.holds
    assert skipped(outcomes, session) == ["coded-elsewhere"]


def test_accept_bills_every_line_it_was_sent() -> None:
    two = [coded("77407", place="FT1[1]"), coded("77407", place="FT1[2]")]
    assert billed(derived(two, place(Mode.ACCEPT))) == ["77407", "77407"]


def test_a_coded_session_comes_once() -> None:
    """Two lines of one session are one slot: the same again is a duplicate, another code is for a person."""
    first = coded("77407", uid="2.25.1", place="FT1[1]")
    again = coded("77407", uid="2.25.1", place="FT1[2]")
    other = coded("77412", uid="2.25.1", place="FT1[3]")
    outcomes = derived([first, again, other], place(Mode.ACCEPT))
    assert billed(outcomes) == ["77407"]
    assert kinds(outcomes.findings) == [("duplicate-suppressed", again.id)]
    assert skipped(outcomes, again) == ["duplicate-report"]
    assert [(h.code, h.about) for h in outcomes.holds] == [("review-needed", other.id)]


def test_coded_devices_of_one_session_are_each_a_line() -> None:
    lines = [coded("77334", uid="2.25.1", place=f"FT1[{i}]") for i in (1, 2)]
    outcomes = derived(lines, place(Mode.ACCEPT, service="device"))
    assert billed(outcomes) == ["77334", "77334"]


def test_a_coded_line_without_a_price_is_held() -> None:
    fees: list[Price] = [p for p in prices() if p.code != "77263"]
    outcomes = derived([coded("77263")], house(fees=fees))
    assert held(outcomes.holds) == [("price-missing", "planning", "77263")]


# ---------------------------------------------------------------- compare


@pytest.mark.parametrize(
    ("theirs", "finding"),
    [
        (coded("77407"), []),
        (coded("77402"), ["undercoded"]),
        (coded("77412"), ["overcoded"]),
        (coded("77407", modifier="XP"), ["coded-differently"]),
        (None, ["missed-charge"]),
    ],
)
@pytest.mark.parametrize("prefer", ["ours", "theirs"])
def test_compare_remarks_every_difference_and_bills_whom_the_site_prefers(
    theirs: Event | None, finding: list[str], prefer: str
) -> None:
    events = [SESSION, *([theirs] if theirs else [])]
    outcomes = derived(events, place(Mode.COMPARE, prefer=prefer))
    (charge,) = outcomes.charges
    mine = theirs is None or prefer == "ours" or not finding
    assert charge.code == ("77407" if mine else theirs.value("code") if theirs else "")
    assert charge.slot.key == "uid:2.25.1"
    assert [f.kind for f in outcomes.findings] == finding
    assert all(f.about == SESSION.id for f in outcomes.findings)
    if theirs is not None:
        assert skipped(outcomes, theirs) == (["coded-not-billed"] if mine else [])


def test_the_preference_is_that_of_the_place() -> None:
    families = (
        Family("delivery", Mode.COMPARE, SINCE, "", "ours"),
        Family("delivery", Mode.COMPARE, SINCE, "MAIN", "theirs"),
    )
    assert billed(derived([SESSION, coded("77412")], house(families=families))) == ["77412"]


def test_compare_says_nothing_of_theirs_missing_where_we_hold_our_own() -> None:
    """A line that never goes out (bundled) or that waits for its review is no missed charge."""
    session = fraction(f"{DAY}T09:00", 1, guidance="cbct")
    outcomes = derived([session], place(Mode.COMPARE, service="guidance"))
    assert {h.code for h in outcomes.holds} == {"bundled", "waiting-for-review"}
    assert not outcomes.findings


def test_what_we_hold_is_not_billed_because_they_sent_it() -> None:
    session = fraction(f"{DAY}T09:00", 1, guidance="cbct")
    theirs = coded("77387", modifier="26")
    outcomes = derived([session, theirs], place(Mode.COMPARE, service="guidance", prefer="theirs"))
    assert not [c for c in outcomes.charges if c.slot.service == "guidance"]
    assert skipped(outcomes, theirs) == ["coded-not-billed"]


def test_a_repeated_coded_charge_without_a_second_service_is_a_duplicate() -> None:
    first, again = coded("77407", place="FT1[1]"), coded("77407", place="FT1[2]")
    outcomes = derived([SESSION, first, again], place(Mode.COMPARE))
    assert kinds(outcomes.findings) == [("duplicate-suppressed", again.id)]
    assert skipped(outcomes, again) == ["duplicate-report"]


def test_two_sessions_of_a_day_meet_two_coded_charges() -> None:
    both = [SESSION, fraction(f"{DAY}T15:00", 2)]
    lines = [coded("77407", place="FT1[1]"), coded("77407", modifier="76", place="FT1[2]")]
    outcomes = derived([*both, *lines], place(Mode.COMPARE))
    assert told(outcomes.charges) == [(DAY, "77407", (), 1), (DAY, "77407", ("76",), 1)]
    assert not outcomes.findings


def test_a_coded_charge_that_nobody_could_pay_is_held_and_compares_with_nothing() -> None:
    gone = coded("77386")
    outcomes = derived([SESSION, gone], place(Mode.COMPARE))
    assert billed(outcomes) == ["77407"]
    assert [(h.code, h.about) for h in outcomes.holds] == [("not-effective", gone.id)]
    assert kinds(outcomes.findings) == [("missed-charge", SESSION.id)]
    events = [*sessions(DAY, 5), exam("2026-01-06T10:00")]
    two = coded("77427", "2026-01-09", units="2")
    units = derived([*events, two], place(Mode.COMPARE, service="management"))
    assert [(h.code, h.about) for h in units.holds] == [("units-exceeded", two.id)]
    assert [c.units for c in units.charges if c.code == "77427"] == [1]


def test_a_finding_on_a_unit_is_about_its_last_session() -> None:
    events = [*sessions(DAY, 5), exam("2026-01-06T10:00")]
    outcomes = derived(events, place(Mode.COMPARE, service="management"))
    assert kinds(outcomes.findings) == [("missed-charge", events[4].id)]


# ---------------------------------------------------------------- reading a coded charge


def part(charge: Charge) -> tuple[str, str]:
    entity, _, component = charge.slot.part.partition(":")
    return entity, component


@pytest.mark.parametrize(
    ("code", "modifiers", "setting", "expected"),
    [
        ("77290", ("26",), "hospital", ("physicians", "professional")),
        ("77290", (), "hospital", ("hospital", "technical")),
        ("77290", ("TC",), "hospital", ("hospital", "technical")),
        ("77263", (), "hospital", ("physicians", "professional")),
        ("77336", (), "hospital", ("hospital", "technical")),
        ("77290", (), "freestanding", ("center", "global")),
        ("77290", ("26",), "freestanding", ("center", "professional")),
    ],
)
def test_who_bills_a_coded_line(code: str, modifiers: tuple[str, ...], setting: str, expected: tuple[str, str]) -> None:
    line = coded(code, **({"modifier": modifiers} if modifiers else {}))
    (charge,) = derived([line], house(setting)).charges
    assert part(charge) == expected
    assert charge.modifiers == modifiers


def test_a_local_code_is_translated_by_the_sites_table_or_held() -> None:
    known = coded("", local_code="RO-PLAN")
    assert billed(derived([known], house(crosswalk={"RO-PLAN": "77263"}))) == ["77263"]
    outcomes = derived([known])
    assert held(outcomes.holds) == [("local-code-unknown", "other", "")]


@pytest.mark.parametrize(("status", "reason"), [(Status.WITHDRAWN, "withdrawn"), (Status.NOT_DONE, "not-done")])
def test_a_credited_line_owes_nothing(status: Status, reason: str) -> None:
    line = coded("77263", status=status)
    outcomes = derived([line])
    assert not outcomes.charges
    assert skipped(outcomes, line) == [reason]


def test_a_code_that_no_table_knows_is_billed_under_other_and_stopped_by_the_checks() -> None:
    outcomes = derived([coded("J9998")], house(fees=[*prices(), Price("J9998", "", "", prices()[0].amount, SINCE)]))
    assert [(c.code, c.slot.service) for c in outcomes.charges] == [("J9998", "other")]


def test_the_message_that_says_both_meets_itself() -> None:
    """One FT1 is read as a session and as a coded charge: they meet by the segment, whatever else the day holds."""
    session = report(
        "fraction", f"{DAY}T15:00", technique="3d", isocenters=1, n=2, message="m", place="FT1[1]", keys=("ft1:m|1",)
    )
    same = coded("77412", message="m", place="FT1[1]-25", keys=("ft1:m|1",), course="")
    outcomes = derived([fraction(f"{DAY}T09:00", 1), session, same], place(Mode.COMPARE))
    assert kinds(outcomes.findings) == sorted(
        [("missed-charge", fraction(f"{DAY}T09:00", 1).id), ("overcoded", session.id)]
    )
