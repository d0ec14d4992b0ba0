"""What resources say by reference is found among all that is held, in whatever messages and order they came."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from adapters.charges import assemble
from adapters.model.episode import Episode, Occurrence
from adapters.model.event import Event, Status
from adapters.model.why import Fact, Source
from adapters.rules.dialect import Dialect, ElementRule
from adapters.rules.element import element
from tests.fhir import said
from tests.fhir.said import PAYER, Json, bundle, concept, course, coverage, doctor, fraction, patient, phase, session

ICD = "http://hl7.org/fhir/sid/icd-10-cm"
CONDITION: Json = {
    "resourceType": "Condition",
    "id": "dx1",
    "subject": {"reference": "Patient/p1"},
    "code": concept("C50.412", ICD),
}
UNSAID: Json = {"reasonCode": [], "reasonReference": [{"reference": "Condition/dx1"}]}
WHOLE = (patient(), CONDITION, course(), phase(), session(), doctor(), fraction(**UNSAID))


def rule(name: str, *places: str) -> ElementRule:
    paths = [element(place) for place in places]
    return ElementRule(name, tuple(path for path in paths if path is not None))


PLANNED = replace(said.DIALECT, elements=(rule("target", "phase:extension(urn:clinic:target)"),))


def captured(*bodies: Json, dialect: Dialect = said.DIALECT) -> list[Event]:
    return [e for n, body in enumerate(bodies) for e in said.events(body, message=f"m{n}", dialect=dialect)]


def apart(*resources: Json) -> list[Json]:
    """Each alone; who concerns no person with one that names it, as a sender has to."""
    nobody = {"Practitioner", "Organization", "Location", "Medication", "PractitionerRole"}
    beside = [one for one in resources if one["resourceType"] in nobody]
    return [bundle(one, *beside) for one in resources if one not in beside]


def facts(one: Occurrence | Event) -> dict[str, tuple[str, ...]]:
    names = dict.fromkeys(fact.name for fact in one.facts)
    return {name: one.values(name) for name in names}


def only(events: Sequence[Event]) -> tuple[Episode, Occurrence]:
    (episode,) = assemble("p", events).episodes
    (found,) = episode.of("fraction")
    return episode, found


def context(events: Sequence[Event], kind: str) -> Event:
    (found,) = [event for event in assemble("p", events).context if event.kind == kind]
    return found


def test_a_fraction_finds_what_it_names_in_other_messages() -> None:
    episode, found = only(captured(*apart(*WHOLE)))
    assert episode.label == "C1"
    assert found.values("diagnosis") == ("C50.412",)
    assert (found.value("phase"), found.value("visit"), found.value("facility")) == ("Tangents", "V9004", "NORTH")
    assert found.value("by") == "1999999984"


@pytest.mark.parametrize("seed", range(8))
def test_any_split_in_any_order_says_the_same_as_one_bundle(seed: int) -> None:
    chance = random.Random(seed)
    bodies = apart(*WHOLE)
    chance.shuffle(bodies)
    split, whole = only(captured(*bodies)), only(captured(bundle(*WHOLE)))
    assert split[0].label == whole[0].label
    assert facts(split[1]) == facts(whole[1])
    assert split[1].key == whole[1].key


def test_no_name_is_left_in_what_is_assembled() -> None:
    assembly = assemble("p", captured(*apart(*WHOLE)))
    told = [fact.name for one in (*assembly.context, *assembly.episodes[0].of("fraction")) for fact in one.facts]
    assert not [name for name in told if name == "awaits" or name.startswith("names.")]


def test_a_condition_that_is_corrected_corrects_what_was_read_from_it() -> None:
    later = CONDITION | {"code": concept("C50.411", ICD), "meta": {"lastUpdated": "2026-01-20T10:00:00Z"}}
    first = CONDITION | {"meta": {"lastUpdated": "2026-01-05T10:00:00Z"}}
    before = bundle(*(first if one is CONDITION else one for one in WHOLE))
    for bodies in ((before, later), (later, before)):
        assert only(captured(*bodies))[1].values("diagnosis") == ("C50.411",)


@pytest.mark.parametrize("word", ["entered-in-error", "refuted"])
def test_a_condition_that_is_refuted_is_no_diagnosis(word: str) -> None:
    gone = CONDITION | {"verificationStatus": concept(word), "meta": {"lastUpdated": "2026-01-20T10:00:00Z"}}
    held = [one for one in WHOLE if one["resourceType"] != "Condition" and one.get("id") != "c1"]
    assert only(captured(bundle(CONDITION, *held)))[1].values("diagnosis") == ("C50.412",)
    assert only(captured(bundle(CONDITION, *held), gone))[1].values("diagnosis") == ()
    # With a course that states one, that counts in its place.
    assert only(captured(bundle(*WHOLE), gone))[1].values("diagnosis") == ("C50.412",)


def test_what_is_not_held_stays_as_the_message_said_it() -> None:
    alone = only(captured(bundle(patient(), fraction())))[1]
    assert alone.values("diagnosis") == ("C50.412",)
    assert (alone.value("visit"), alone.fact("facility")) == ("Encounter/e4", None)


def test_an_identifier_that_two_resources_bear_decides_nothing() -> None:
    """Labels of courses are not unique: of two in other messages nobody is guessed."""
    named = {"partOf": [{"type": "Procedure", "identifier": {"system": "urn:clinic:label", "value": "1"}}]}
    number = [{"system": "urn:clinic:label", "value": "1"}]
    one = phase(id="ph1", identifier=number, extension=[])
    other = phase(id="ph2", identifier=[*number, {"use": "official", "system": "urn:x", "value": "2"}], extension=[])
    body = bundle(patient(), fraction(**named))
    told = only(captured(body, one))[1]
    assert told.value("phase") == "1"
    assert only(captured(body, one, other))[1].fact("phase") is None


def test_two_procedures_that_are_part_of_each_other_come_to_an_end() -> None:
    above, below = (
        phase(partOf=[{"reference": "Procedure/ph2"}]),
        phase(id="ph2", identifier=said.identifiers("Boost", "1.2.9"), partOf=[{"reference": "Procedure/ph1"}]),
    )
    found = only(captured(patient(), above, below, fraction()))[1]
    assert set(found.values("phase")) == {"Tangents", "Boost"}


def test_a_visit_under_way_and_its_place_are_found() -> None:
    here: Json = {"resourceType": "Location", "id": "l1", "name": "WEST"}
    going = session(status="in-progress", serviceProvider=None, location=[{"location": {"reference": "Location/l1"}}])
    found = only(captured(bundle(patient(), fraction()), bundle(going, here)))[1]
    assert (found.value("visit"), found.value("facility")) == ("V9004", "WEST")


def test_a_role_and_its_person_are_found() -> None:
    role: Json = {
        "resourceType": "PractitionerRole",
        "id": "r1",
        "practitioner": {"reference": "Practitioner/dr1"},
        "specialty": [concept("419815003")],
    }
    body = fraction(performer=[{"actor": {"reference": "PractitionerRole/r1"}}])
    together = only(captured(bundle(patient(), body, role, doctor())))[1]
    # Once told of the person, both are found for what names them later.
    later = fraction(performer=[{"actor": {"reference": "PractitionerRole/r1"}}], meta={"lastUpdated": "2026-01-09"})
    again = only(captured(bundle(patient(), body, role, doctor()), later))[1]
    for found in (together, again):
        assert (found.value("by"), found.value("by.role")) == ("1999999984", "radiation-oncologist")


def test_the_payer_of_a_coverage_is_found() -> None:
    apart_ = captured(patient(), bundle(coverage(), PAYER), coverage(meta={"lastUpdated": "2026-01-20T10:00:00Z"}))
    found = context(apart_, "coverage")
    assert (found.value("payer"), found.value("payer.name")) == ("60054", "Oak Mutual")


def test_a_fact_that_the_dialect_reads_in_the_phase_is_found_there() -> None:
    treated = phase(extension=[{"url": "urn:clinic:target", "valueString": "chest wall"}])
    for bodies in ((patient(), treated, fraction()), (fraction(), patient(), treated), (bundle(treated, fraction()),)):
        assert only(captured(*bodies, dialect=PLANNED))[1].value("target") == "chest wall"
    changed = treated | {
        "extension": [{"url": "urn:clinic:target", "valueString": "boost"}],
        "meta": {"lastUpdated": "2026-01-20T10:00:00Z"},
    }
    assert only(captured(bundle(treated, fraction()), changed, dialect=PLANNED))[1].value("target") == "boost"


def test_what_a_request_plans_is_found_by_its_phase() -> None:
    order: Json = {
        "resourceType": "ServiceRequest",
        "id": "sr1",
        "status": "active",
        "subject": {"reference": "Patient/p1"},
        "code": concept("1222565005"),
        "extension": [{"url": said.codex.PLANNED, "valuePositiveInt": 25}],
    }
    based = phase(extension=[], basedOn=[{"reference": "ServiceRequest/sr1"}])
    for bodies in ((patient(), based, order), (order, based), (bundle(order, based),)):
        assert context(captured(*bodies), "phase").whole("planned_fractions") == 25


def test_a_coded_charge_meets_the_session_and_course_that_it_names() -> None:
    item: Json = {
        "resourceType": "ChargeItem",
        "id": "ch1",
        "status": "billable",
        "subject": {"reference": "Patient/p1"},
        "code": concept("77370", "http://www.ama-assn.org/go/cpt"),
        "occurrenceDateTime": "2026-01-05T09:00:00-06:00",
        "service": [{"reference": "Procedure/f4"}],
    }
    for bodies in ((item, *apart(*WHOLE)), (*apart(*WHOLE), item), (bundle(*WHOLE, item),)):
        assembly = assemble("p", captured(*bodies))
        (coded,) = assembly.coded["p/C1"]
        assert (coded.course, coded.keys.count("uid:1.2.3.4")) == ("C1", 1)


def test_what_a_person_stated_stays() -> None:
    events = [
        replace(event, facts=(*[f for f in event.facts if f.name != "diagnosis"], _stated("diagnosis", "C61")))
        if event.kind == "fraction"
        else event
        for event in captured(*apart(*WHOLE))
    ]
    assert only(events)[1].values("diagnosis") == ("C61",)


def _stated(name: str, value: str) -> Fact:
    return Fact(name, value, Source("decision-1", "fact"))


def test_another_feed_is_not_meant() -> None:
    """`Condition/dx1` of one EHR is nothing to another."""
    elsewhere = [replace(e, feed="other", keys=tuple(k.replace("ehr|", "other|") for k in e.keys)) for e in
                 captured(bundle(patient(), CONDITION))]  # fmt: skip
    bare = {**UNSAID, "partOf": []}
    assert only([*elsewhere, *captured(fraction(**bare))])[1].values("diagnosis") == ()
    assert all(e.status is Status.DONE for e in elsewhere)
