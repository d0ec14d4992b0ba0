"""Facts from places of the sender's own: extensions, the plan, an order, the presence of a document, an agreement."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from adapters.fhir import codex
from adapters.rules.dialect import Dialect, parse_dialect
from adapters.rules.element import element
from tests.fhir.said import Json, bundle, concept, event, fraction, omissions, patient, procedure
from tests.fhir.test_resources import US_CORE, dose, note

HEAD = 'id = "x"\nkind = "dialect"\nmedia = "fhir"\ntitle = "x"\ncite = "x"\n'


def dialect(text: str) -> Dialect:
    found = parse_dialect(tomllib.loads(HEAD + text), "x.toml", HEAD + text)
    assert isinstance(found, Dialect), found
    return found


def said(url: str, **value: Any) -> Json:
    return {"url": url, **value}


def plan(**changes: Any) -> Json:
    return procedure("1255724003", "pl1", "Plan A", "1.2.9", **changes)


ISOCENTERS = dialect('[elements.isocenters]\nfrom = ["extension(urn:site:iso)", "plan:extension(urn:site:iso)"]\n')


def test_from_the_session_before_the_plan() -> None:
    whole = plan(extension=[said("urn:site:iso", valuePositiveInt=2)])
    part = [{"reference": "Procedure/pl1"}]
    told = event(bundle(fraction(partOf=part), whole), "fraction", dialect=ISOCENTERS)
    (fact,) = [f for f in told.facts if f.name == "isocenters"]
    assert (fact.value, fact.source.at) == ("2", "Bundle.entry[1].resource.extension[0].valuePositiveInt")
    own = fraction(partOf=part, extension=[said("urn:site:iso", valuePositiveInt=1)])
    assert event(bundle(own, whole), "fraction", dialect=ISOCENTERS).value("isocenters") == "1"
    assert event(fraction(), "fraction", dialect=ISOCENTERS).value("isocenters") == "", "unknown stays unknown"


def test_a_value_is_translated_and_one_outside_is_told() -> None:
    rules = dialect(
        '[elements.technique]\nfrom = ["extension(urn:site:technique)"]\n'
        'values = { "urn:site|ARC" = "imrt", "static" = "3d" }\n'
    )
    arc = fraction(extension=[said("urn:site:technique", valueCodeableConcept=concept("ARC", "urn:site"))])
    assert event(arc, "fraction", dialect=rules).value("technique") == "imrt"
    text = fraction(extension=[said("urn:site:technique", valueString="Static")])
    assert event(text, "fraction", dialect=rules).value("technique") == "3d"
    other = fraction(extension=[said("urn:site:technique", valueString="odd")])
    assert "unmapped" in [o.reason for o in omissions(other, dialect=rules)]


def test_the_site_s_place_is_before_the_profile_s() -> None:
    rules = dialect('[elements.technique]\nfrom = ["extension(urn:site:t)"]\n')
    both = fraction()
    both["extension"] = [*both.get("extension", []), said("urn:site:t", valueCode="2d")]
    assert event(both, "fraction", dialect=rules).values("technique") == ("2d",)
    broken = fraction()
    broken["extension"] = [*broken.get("extension", []), said("urn:site:t", valueCode="no technique")]
    found = event(broken, "fraction", dialect=rules)
    assert found.values("technique") == event(fraction(), "fraction").values("technique")


DOCUMENTED = dialect('[elements."motion.documented"]\nfrom = ["document(http://loinc.org|11506-3)"]\n')


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"context": {"related": [{"reference": "Procedure/f4"}]}, "date": "2026-03-01"}, "true"),
        ({}, "true"),
        ({"date": "2026-01-06"}, ""),
        ({"docStatus": "preliminary"}, ""),
        ({"status": "entered-in-error"}, ""),
        ({"subject": {"reference": "Patient/p2"}}, ""),
        ({"type": concept("1-8", "http://loinc.org")}, ""),
        ({"context": {"related": [{"reference": "Procedure/other"}]}}, ""),
    ],
)
def test_the_presence_of_a_document(change: Json, told: str) -> None:
    body = bundle(patient(), fraction(), note(**change))
    assert event(body, "fraction", dialect=DOCUMENTED).value("motion.documented") == told


def test_waste_stands_where_the_site_says() -> None:
    rules = dialect(
        '[elements.waste]\nkinds = ["administration"]\nfrom = ["extension(urn:site:waste)"]\n'
        '[elements."waste.unit"]\nkinds = ["administration"]\nfrom = ["extension(urn:site:waste).valueQuantity.code"]\n'
    )
    wasted = dose(extension=[said("urn:site:waste", valueQuantity={"value": 4.04, "code": "mg"})])
    found = event(wasted, "administration", dialect=rules)
    assert (found.value("waste"), found.value("waste.unit")) == ("4.04", "mg")


def test_several_values_of_one_place() -> None:
    rules = dialect(
        'coded = ["Procedure"]\n[elements.modifier]\nkinds = ["coded-charge"]\nfrom = ["extension(urn:m)"]\nrepeat = true\n'
    )
    told = US_CORE | {"extension": [said("urn:m", valueCode="26"), said("urn:m", valueCode="59")]}
    assert event(told, "coded-charge", dialect=rules).values("modifier") == ("26", "59")


def test_an_agreement_is_told_as_an_assumption() -> None:
    rules = dialect('[elements.isocenters]\nfrom = ["extension(urn:site:iso)"]\ndefault = "1"\n')
    (fact,) = [f for f in event(fraction(), "fraction", dialect=rules).facts if f.name == "isocenters"]
    assert fact.value == "1"
    assert fact.source.at.startswith("assumed: ")


def test_any_element_by_path() -> None:
    rules = dialect('[elements.target]\nfrom = ["bodySite.text", "bodySite"]\n')
    body = fraction(bodySite=[concept("76752008")])
    assert event(body, "fraction", dialect=rules).value("target") == "76752008"
    assert (
        event(body | {"bodySite": [{"text": "Left breast"}]}, "fraction", dialect=rules).value("target")
        == "Left breast"
    )


@pytest.mark.parametrize("text", ["", "Plan:x", "nowhere:x", "extension()", "a..b", "document(x)", "a(b)", "x y"])
def test_what_is_no_place(text: str) -> None:
    assert element(text) is None
    told = parse_dialect(tomllib.loads(f'{HEAD}[elements.target]\nfrom = ["{text}"]\n'), "x.toml")
    assert not isinstance(told, Dialect)


@pytest.mark.parametrize(
    "text", ["extension(urn:x).extension(y)", "plan:identifier(urn:x)", "document(a|b)", "bodySite.text"]
)
def test_a_place_is_written_as_it_is_read(text: str) -> None:
    assert str(element(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        '[elements.nothing]\nfrom = ["x"]\n',
        '[elements.isocenters]\nfrom = ["x"]\nvalues = { a = "many" }\n',
        '[elements.isocenters]\nfrom = ["x"]\ndefault = "many"\n',
        "[elements.isocenters]\n",
        'sessions_from = "course"\n',
        'coded = ["Claim"]\n',
    ],
)
def test_what_a_dialect_must_not_say(text: str) -> None:
    assert not isinstance(parse_dialect(tomllib.loads(HEAD + text), "x.toml", HEAD + text), Dialect)


def test_the_profile_s_own_url_may_be_a_place() -> None:
    rules = dialect(f'[elements.n]\nfrom = ["extension({codex.NUMBER_IN_PHASE})"]\n')
    body = fraction(extension=[said(codex.NUMBER_IN_PHASE, valuePositiveInt=7)])
    assert event(body, "fraction", dialect=rules).value("n") == "7"
