"""Services that few courses have: LDR, hyperthermia, intraoperative, neutrons, robots; consultations; global periods."""

from __future__ import annotations

from itertools import permutations

import pytest

from adapters.model.charge import Component
from adapters.model.event import Event
from adapters.pipeline import House
from tests.model.clinic import PHYSICIAN, derived, ended, fraction, held, house, report, screened, told

CENTRE = house("freestanding")


def centre(kind: str = "medicare", **options: str) -> House:
    return house("freestanding", kind=kind, payer_options={k.replace("__", "."): v for k, v in options.items()})


def implant(day: str = "2026-04-07", **facts: object) -> Event:
    return report("brachy-application", f"{day}T09:00", by=PHYSICIAN, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(("approach", "code"), [("interstitial", "77778"), ("surface", "77789")])
def test_an_application_by_its_approach_in_both_places(approach: str, code: str) -> None:
    assert told(derived([implant(approach=approach)], CENTRE).charges) == [("2026-04-07", code, (), 1)]
    parts = {c.entity: (c.component, c.modifiers) for c in derived([implant(approach=approach)]).charges}
    assert parts == {"hospital": (Component.TECHNICAL, ()), "physicians": (Component.PROFESSIONAL, ("26",))}


def test_an_intracavitary_application_bears_the_code_that_the_site_chose() -> None:
    event = implant(approach="intracavitary", complexity="intermediate")
    assert held(derived([event], CENTRE).holds) == [("option-missing", "brachy-application", "")]
    chosen = house("freestanding", options={"codes.ldr-intracavitary-intermediate": "77762"})
    assert told(derived([event], chosen).charges) == [("2026-04-07", "77762", (), 1)]


def test_source_handling_and_calculations_fall_beside_an_interstitial_implant() -> None:
    events = [
        implant(approach="interstitial"),
        report("source-handling", "2026-04-07T08:00"),
        report("dosimetry-calc", "2026-04-07T07:30", count=1),
    ]
    outcomes = screened(events, CENTRE)
    assert told(outcomes.charges) == [("2026-04-07", "77778", (), 1)]
    assert [(h.code, h.would.code if h.would else "") for h in outcomes.holds] == [
        ("bundled", "77300"),
        ("bundled", "77790"),
    ]


@pytest.mark.parametrize(("days", "waits"), [("2026-07-06", True), ("2026-07-07", False)])
def test_visits_within_ninety_days_of_an_intracavitary_implant_wait(days: str, waits: bool) -> None:
    at = house("freestanding", options={"codes.ldr-intracavitary-simple": "77761"})
    visit = report("follow-up", f"{days}T10:00", em_code="99213", by=PHYSICIAN)
    outcomes = derived([implant(approach="intracavitary", complexity="simple"), visit], at)
    assert [h.code for h in outcomes.holds] == (["review-needed"] if waits else [])
    assert ("99213" in {c.code for c in outcomes.charges}) is not waits
    if waits:
        assert outcomes.holds[0].why.rule.id == "global-period"
        assert "90 days after 77761" in outcomes.holds[0].detail


def test_an_interstitial_implant_has_no_global_period() -> None:
    visit = report("follow-up", "2026-04-20T10:00", em_code="99213", by=PHYSICIAN)
    assert told(derived([implant(approach="interstitial"), visit], CENTRE).charges, "99213") == [
        ("2026-04-20", "99213", (), 1)
    ]


def test_hyperthermia_is_covered_beside_radiation_only() -> None:
    heat = report("hyperthermia", "2026-04-07T11:00", heating="superficial")
    said = {"codes.hyperthermia-superficial": "77600"}
    at = house("freestanding", options=said)
    alone = derived([heat], at)
    assert [(h.code, h.would.code if h.would else "") for h in alone.holds] == [("review-needed", "77600")]
    session = fraction("2026-04-08T09:00", 1, technique="electron", modality="electron")
    for order in permutations([heat, session]):
        assert told(derived(order, at).charges, "77600") == [("2026-04-07", "77600", (), 1)]
    with_implant = derived([heat, implant(approach="interstitial")], at)
    assert "77600" in {c.code for c in with_implant.charges}
    commercial = house("freestanding", kind="commercial", options=said)
    assert told(derived([heat], commercial).charges) == [("2026-04-07", "77600", (), 1)]


def test_hyperthermia_without_a_chosen_code_is_asked_for() -> None:
    heat = report("hyperthermia", "2026-04-07T11:00", heating="deep")
    (hold,) = derived([heat], CENTRE).holds
    assert (hold.code, hold.detail) == ("option-missing", "codes.hyperthermia-deep")


@pytest.mark.parametrize(("beam", "code"), [("kv", "77424"), ("photon", "77424"), ("electron", "77425")])
def test_an_intraoperative_session_is_delivery_of_the_hospital_and_management_of_the_physician(
    beam: str, code: str
) -> None:
    session = fraction("2026-04-07T09:00", 1, technique=None, modality=beam, regime="iort", by=PHYSICIAN)
    outcomes = derived([session, ended("2026-04-07")])
    assert {(c.entity, c.code, c.modifiers) for c in outcomes.charges} == {
        ("hospital", code, ()),
        ("physicians", "77469", ()),
    }
    assert outcomes.holds == ()


def test_a_freestanding_centre_may_not_bill_intraoperative_delivery_to_medicare() -> None:
    session = fraction("2026-04-07T09:00", 1, technique=None, modality="electron", regime="iort")
    outcomes = derived([session], CENTRE)
    assert held(outcomes.holds) == [("not-effective", "delivery", "77425")]
    assert told(outcomes.charges) == [("2026-04-07", "77469", (), 1)]


def test_an_intraoperative_boost_counts_for_no_block() -> None:
    boost = fraction("2026-03-30T09:00", 1, technique=None, modality="electron", regime="iort")
    beam = [fraction(f"2026-04-{day:02}T09:00", n) for n, day in enumerate((6, 7, 8, 9), 1)]
    outcomes = derived([boost, *beam])
    assert {c.code for c in outcomes.charges} == {"77425", "77469", "77407"}, "four sessions are no block"


@pytest.mark.parametrize("day", ["2025-06-02", "2026-06-02"])
def test_neutrons_bear_one_code_in_every_year_and_count(day: str) -> None:
    given = [fraction(f"{day[:8]}{2 + n:02}T09:00", n, technique="3d", modality="neutron") for n in range(1, 6)]
    outcomes = derived(given, CENTRE)
    assert [c.code for c in outcomes.charges if c.slot.service == "delivery"] == ["77423"] * 5
    assert "77336" in {c.code for c in outcomes.charges}


def test_robotic_sessions_by_the_payer_s_codes() -> None:
    given = [
        fraction(f"2026-04-{day:02}T09:00", n, technique="imrt", regime="sbrt", platform="robotic")
        for n, day in enumerate((6, 8, 10), 1)
    ]
    closed = [*given, ended("2026-04-10")]
    by_g = [c for _, c, _, _ in told(derived(closed, centre(stereotactic__robotic="g-codes")).charges)]
    assert by_g == ["G0339", "G0340", "77336", "77435", "G0340"]
    unset = [c for _, c, _, _ in told(derived(closed, CENTRE).charges, "77373", "77435")]
    assert unset == ["77373", "77373", "77373", "77435"]
    late = [given[0], given[2], ended("2026-04-10"), given[1]]
    assert (
        derived(late, centre(stereotactic__robotic="g-codes")).charges
        == derived(closed, centre(stereotactic__robotic="g-codes")).charges
    )


def test_one_robotic_cranial_session_by_the_payer_s_codes() -> None:
    one = [fraction("2026-04-06T09:00", 1, regime="srs", platform="robotic"), ended("2026-04-06")]

    def codes(**options: str) -> set[str]:
        return {c.code for c in derived(one, centre(**options)).charges} - {"77336"}

    assert codes(stereotactic__robotic="g-codes") == {"G0339", "77432"}
    assert codes(stereotactic__robotic="linac-codes") == {"77372", "77432"}
    assert codes() == set()


# ---------------------------------------------------------------- consultations, codes that Medicare does not take


def consult(code: str = "99244", **more: object) -> Event:
    return report("consult", "2026-04-01T09:00", em_code=code, by=PHYSICIAN, **more)  # type: ignore[arg-type]


def test_medicare_is_billed_a_visit_for_a_consultation_once_the_site_has_said_which() -> None:
    (asked,) = derived([consult()], CENTRE).holds
    assert (asked.code, asked.detail) == ("option-missing", "codes.consult-99244")
    at = house("freestanding", payer_options={"codes.consult-99244": "99204"})
    (charge,) = derived([consult()], at).charges
    assert (charge.code, charge.why.rule.id) == ("99204", "services")
    assert "em_code" in {fact.name for fact in charge.why.facts}
    known = derived([consult(new_patient=False)], at)
    assert held(known.holds) == [("not-effective", "visit", "99244")], "the code chosen is one for new patients"


def test_a_commercial_payer_takes_consult_codes_unless_it_says_otherwise() -> None:
    assert told(derived([consult()], centre("commercial")).charges) == [("2026-04-01", "99244", (), 1)]
    visits = house(
        "freestanding", kind="commercial", payer_options={"consults": "as-visits", "codes.consult-99244": "99203"}
    )
    assert told(derived([consult()], visits).charges) == [("2026-04-01", "99203", (), 1)]


def test_an_inpatient_consultation_is_not_billed_to_medicare() -> None:
    for setting in ("freestanding", "hospital"):
        outcomes = derived([consult("99253")], house(setting))
        assert outcomes.charges == ()
        assert held(outcomes.holds) == [("not-effective", "visit", "99253")]
    assert told(derived([consult("99253")], house(kind="commercial")).charges) == [("2026-04-01", "99253", (), 1)]


def test_a_code_of_status_i_goes_on_a_hospital_s_claim_alone() -> None:
    session = fraction("2025-11-03T09:00", 1)
    assert [c.entity for c in derived([session]).charges] == ["hospital"], "77412 in 2025"
    assert held(derived([session], CENTRE).holds) == [("not-effective", "delivery", "77412")]
    assert told(derived([session], centre("commercial")).charges) == [("2025-11-03", "77412", (), 1)]
