"""Doses as a record of administrations tells them: what each was, which reports are of one dose, and at which visit."""

from __future__ import annotations

import itertools

import pytest

from adapters.model.episode import Occurrence
from adapters.model.event import Event, Status
from tests.charges.test_coded_visits import DAY, dose, due, place, told
from tests.model.clinic import assembled, report


def only(*events: Event) -> Occurrence:
    (one,) = occurrences(*events)
    return one


def occurrences(*events: Event) -> list[Occurrence]:
    return [one for episode in assembled(events).episodes for one in episode.occurrences]


@pytest.mark.parametrize(
    ("said", "end", "kind"),
    [
        ({"route": "IV", "method": "IVP"}, "", "push"),
        ({"route": "47625008", "method": "bolus"}, "09:05", "push"),
        ({"route": "IV", "method": "IVPB"}, "", "infusion"),
        ({"route": "intravenous"}, "10:00", "infusion"),
        ({"route": "IV"}, "", "infusion"),
        ({"route": "IV"}, "09:00", "push"),
        ({"route": "IV", "class": "hydration"}, "10:00", "hydration"),
        ({"route": "SC"}, "", "injection"),
        ({"route": "78421000", "method": "IVP"}, "", "injection"),
        ({"route": "on-body"}, "", "injection"),
        ({"route": "IT"}, "09:10", "infusion"),
        ({"route": "IV", "form": "pump-start"}, "", "pump-start"),
        ({"route": "PO"}, "", "administration"),
        ({"route": None}, "", "administration"),
        ({"route": None, "method": "IVP"}, "", "push"),
    ],
)
def test_what_a_dose_was_is_told_by_its_form_route_method_and_times(
    said: dict[str, object], end: str, kind: str
) -> None:
    assert only(dose("09:00", end, **said)).kind == kind


def test_what_nothing_tells_the_way_of_waits_and_what_was_swallowed_owes_no_administration() -> None:
    found = due([dose("09:00", route=None), dose("10:00", route="PO", code=None)], place())
    assert [(h.code, h.slot.service) for h in found.holds] == [("documentation-missing", "administration")]
    assert [s.reason for s in found.skips if s.reason == "no-needle"] == ["no-needle"]
    coded = due([dose("10:00", route="PO", code="J9045")], place())
    assert [h.code for h in coded.holds] == ["review-needed"]
    spine = due([dose("09:00", "09:10", route="IT")], place())
    assert "review-needed" in {h.code for h in spine.holds}
    assert not spine.charges


# ---------------------------------------------------------------- one dose, several reports

ORDER = {"placer": "O-1"}


def test_two_channels_that_name_one_order_and_minute_told_one_dose_each_filling_what_the_other_lacks() -> None:
    ward = dose("09:00", "10:00", **ORDER)
    other = dose("09:00", feed="ehr", visit="E-77", filler_order="O-1", waste="5", **{"waste.unit": "mg"})
    for pair in itertools.permutations((ward, other)):
        one = only(*pair)
        assert one.end is not None
        assert one.primary.value("waste") == "5"
        assert one.primary.end is not None
    found = due([ward, other], place())
    assert told(found.charges)["96413", ()] == 1
    assert [f.kind for f in found.findings if f.kind == "duplicate-suppressed"] == ["duplicate-suppressed"]


def test_what_two_channels_say_otherwise_of_one_dose_is_a_finding_and_the_first_one_counts() -> None:
    ward = dose("09:00", "10:00", dose="0.4", **{"dose.unit": "g"}, **ORDER)
    same = dose("09:00", "10:00", feed="ehr", dose="400", **{"dose.unit": "mg"}, **ORDER)
    other = dose("09:00", "10:20", feed="ehr", dose="380", **{"dose.unit": "mg"}, **ORDER)
    assert "reports-differ" not in {f.kind for f in due([ward, same], place()).findings}
    values = [f.value for f in due([ward, other], place()).findings if f.kind == "reports-differ"]
    assert values == ["dose stop"]


@pytest.mark.parametrize(
    "other",
    [
        dose("09:00", "10:00", feed="ehr", placer="O-2"),
        dose("09:00", "10:00", feed="ehr", hcpcs="J9271", **ORDER),
        dose("09:01", "10:00", feed="ehr", **ORDER),
        dose("09:00", "10:00", hcpcs="J9271", **ORDER),
        dose("09:00", "10:00", feed="ehr", status=Status.NOT_DONE, **ORDER),
    ],
)
def test_another_order_drug_minute_or_outcome_is_another_dose(other: Event) -> None:
    assert len(occurrences(dose("09:00", "10:00", **ORDER), other)) == 2


def test_two_doses_of_one_order_on_a_day_are_two_and_so_are_two_of_one_message() -> None:
    assert len(occurrences(dose("09:00", method="IVP", **ORDER), dose("13:00", method="IVP", **ORDER))) == 2
    lots = [dose("09:00", "10:00", message="m1", place=f"RXA[{n}]", **ORDER) for n in (1, 2)]
    assert len(occurrences(*lots)) == 2


def test_the_number_of_the_dose_counts_where_both_channels_number_their_doses() -> None:
    ward = [dose(f"{h}:00", method="IVP", counter=n, **ORDER) for n, h in ((1, "09"), (2, "13"))]
    late = [dose(f"{h}:02", method="IVP", counter=n, feed="ehr", **ORDER) for n, h in ((1, "09"), (2, "13"))]
    assert [len(one.reports) for one in occurrences(*ward, *late)] == [2, 2]
    same = [dose(f"{h}:02", method="IVP", counter=1, feed="ehr", **ORDER) for h in ("09", "13")]
    assert len(occurrences(*ward, *same)) == 4


def test_an_encounter_has_two_names_where_a_dose_that_both_report_says_so() -> None:
    shared = [dose("09:00", "10:00", **ORDER), dose("09:00", "10:00", feed="ehr", visit="E-9", **ORDER)]
    more = [dose("11:00", "11:30", hcpcs="J9271", feed="ehr", visit="E-9"), dose("12:00", "12:20", hcpcs="J9305")]
    ids = {e.id: len(e.occurrences) for e in assembled([*shared, *more]).episodes}
    assert ids == {"p1/visit:E-9": 3}
    assert len(assembled(more).episodes) == 2


# ---------------------------------------------------------------- amendments, missing and impossible times


def test_an_amended_start_takes_the_place_of_the_one_dose_that_it_can_mean() -> None:
    first = dose("09:00", "10:00", line="a|09:00", **ORDER)
    later = dose("09:20", "10:00", line="a|09:20", action="update", said=f"{DAY}T18:00", **ORDER)
    assert only(first, later).start == later.start
    gone = dose("09:20", line="a|09:20", action="delete", said=f"{DAY}T18:00", status=Status.WITHDRAWN, **ORDER)
    assert due([first, gone], place()).charges == ()
    found = due([first, later], place())
    assert told(found.charges)["96413", ()] == 1
    assert [s.reason for s in found.skips if s.event == first.id] == ["superseded"]


def test_an_amendment_that_could_mean_several_doses_waits() -> None:
    doses = [dose(f"{h}:00", f"{h}:10", line=f"a|{h}", **ORDER) for h in ("09", "13")]
    later = dose("09:20", "09:40", line="a|09:20", action="update", said=f"{DAY}T18:00", **ORDER)
    found = due([*doses, later], place())
    about = {h.about: h.detail for h in found.holds if h.code == "review-needed"}
    assert "several" in about[later.id]
    assert told(found.charges)["96413", ()] == 0
    alone = dose("09:20", "10:40", line="a|09:20", action="update", **ORDER)
    assert told(due([alone], place()).charges)["96413", ()] == 1


@pytest.mark.parametrize("policy", ["hold", "compute-rate-volume", "push"])
@pytest.mark.parametrize("times", ["date-only", "unusable"])
def test_times_that_cannot_be_are_held_whatever_the_policy(policy: str, times: str) -> None:
    at = place()
    at.site.options["infusion.missing_stop"] = policy  # type: ignore[index]
    try:
        charted = {"volume": "250", "volume.unit": "mL", "rate": "500", "rate.unit": "mL/h"}
        found = due([dose("09:00", times=times, **charted)], at)
    finally:
        del at.site.options["infusion.missing_stop"]  # type: ignore[attr-defined]
    assert [h.code for h in found.holds if h.slot.service == "administration"] == ["invalid-time"]
    assert not [c for c in found.charges if c.slot.service == "administration"]


# ---------------------------------------------------------------- what the order and the pharmacy say


def ordered(**said: object) -> Event:
    return report("order", f"{DAY}T06:00", course="", **{**ORDER, **said})  # type: ignore[arg-type]


def handed_out(count: str, strength: str, hour: str = "08:00", **said: object) -> Event:
    facts = {
        "dose": count,
        "dose.unit": "VIAL",
        "strength": strength,
        "strength.unit": "mg",
        "container": "single-dose",
    }
    return report("drug-dispense", f"{DAY}T{hour}", course="", **{**facts, **ORDER, **said})  # type: ignore[arg-type]


def test_an_order_says_of_the_drug_what_the_dose_does_not_and_never_a_time_or_an_amount() -> None:
    bare = dose("09:00", "10:00", code=None, **{"class": None, "drug": "D7"}, **ORDER)
    told_by = ordered(drug="D7", code="J9045", dose="400", rate="100", **{"class": "chemo"})
    one = only(bare, told_by)
    assert (one.value("code"), one.value("class"), one.value("dose"), one.value("rate")) == ("J9045", "chemo", "", "")
    (line,) = [c for c in due([bare, told_by], place()).charges if c.code == "96413"]
    assert told_by.source.message in line.why.messages()
    other = only(bare, ordered(drug="D8", code="J9045", **{"class": "chemo"}))
    assert (other.value("code"), other.value("class")) == ("", "")


def test_the_vials_that_were_handed_out_for_the_one_dose_of_an_order_are_those_that_were_opened() -> None:
    given = dose(
        "09:00", "10:00", hcpcs="J9305", dose="850", waste="150", **{"dose.unit": "mg", "waste.unit": "mg"}, **ORDER
    )
    vials = handed_out("2", "500")
    lines = told(due([given, vials], place()).charges)
    assert (lines["J9305", ()], lines["J9305", ("JW",)]) == (85, 15)
    twice = told(due([given, vials, handed_out("2", "500", feed="ehr")], place()).charges)
    assert twice == lines
    short = due([given, handed_out("1", "500")], place())
    assert ("documentation-missing", "drug") in {(h.code, h.slot.service) for h in short.holds}
    unknown = only(given, handed_out("2", "500", container=None))
    assert unknown.primary.values("vial") == ()
    second = dose("14:00", "15:00", hcpcs="J9305", **ORDER)
    assert all(not one.primary.values("vial") for one in occurrences(given, second, vials))
