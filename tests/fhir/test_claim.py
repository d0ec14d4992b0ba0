"""Our claims as FHIR documents: they stand alone, read back the same, and pass every check; faulty ones are told."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.fhir import check, wire
from adapters.fhir.claim import bundle, document, read, unit_price, wire_form
from adapters.model.claim import Claim, ClaimLine, ClaimType, Party
from adapters.model.site import PayerEndpoint

CREATED = datetime(2026, 1, 9, 15, 30, tzinfo=UTC)
ALONE, BUNDLED = PayerEndpoint(), PayerEndpoint(body="bundle")
FORMS = [ALONE, BUNDLED]

CLAIM = Claim(
    id="C-000017",
    type=ClaimType.PROFESSIONAL,
    person="lane-1",
    patient_identifier="77120",
    entity=Party("physicians", "Lake Radiation Physicians", "1999999984", "361234567", "2085R0001X"),
    payer=Party("oak", "Oak Mutual", tin="", npi=""),
    coverage="oak|M-1|open",
    member="M-1",
    lines=(
        ClaimLine(1, ("ch-1",), "77427", ("26",), 1, date(2026, 1, 5), date(2026, 1, 9), 27550, (1,), "professional",
                  rendering="1999999984", place="22"),
        ClaimLine(2, ("ch-2",), "77387", ("26", "59"), 3, date(2026, 1, 5), date(2026, 1, 5), 9030, (1, 2), "professional",
                  rendering="1888888885", place="22", ndc="00000-1111-22",
                  ndc_quantity=Decimal("6.8"), ndc_unit="ML"),
    ),
    diagnoses=("C50.412", "Z51.0"),
    built_on=date(2026, 1, 9),
    facility=Party("main", "Lake Cancer Center", "1777777776"),
    authorization="AUTH-7",
    cycle="2026-W02",
    family="Sorrel",
    given="Ida May",
    birth_date=date(1958, 3, 2),
    sex="female",
)  # fmt: skip
HOSPITAL = replace(
    CLAIM,
    type=ClaimType.INSTITUTIONAL,
    lines=tuple(replace(line, place="", revenue="0333") for line in CLAIM.lines),
    frequency="7",
    replaces="C-000009",
    payer_claim_number="ICN-5",
)


def plain(value: Any) -> Any:
    return json.loads(wire.dumps(value), parse_float=Decimal)


def texts(*alphabet: str, least: int = 1, most: int = 12) -> st.SearchStrategy[str]:
    return st.text("".join(alphabet) or "ABCXYZ0189-", min_size=least, max_size=most)


# FHIR text has no blanks at its edges; letters of other languages do come.
NAMES = st.text("Aaéłß 'Oz-", min_size=1, max_size=12).map(str.strip).filter(bool)
DAYS = st.dates(date(2025, 11, 1), date(2026, 12, 31))
DIGITS = "0123456789"
NPIS = texts(DIGITS, least=10, most=10)
PARTIES = st.builds(
    Party,
    texts(),
    NAMES,
    st.just("") | NPIS,
    st.just("") | texts(DIGITS, least=9, most=9),
    st.just("") | texts("2085RX01"),
)


@st.composite
def lines(draw: st.DrawFn, count: int, diagnoses: int) -> tuple[ClaimLine, ...]:
    made = []
    for number in range(1, count + 1):
        start, end = sorted([draw(DAYS), draw(DAYS)])
        units = draw(st.integers(1, 30))
        pointers = draw(st.lists(st.integers(1, diagnoses), max_size=4, unique=True)) if diagnoses else []
        made.append(
            ClaimLine(
                line=number,
                charges=(f"ch-{number}",),
                code=draw(st.sampled_from(["77263", "77301", "77427", "77407", "G6002", "J9999", "0747T"])),
                modifiers=tuple(
                    draw(st.lists(st.sampled_from(["26", "TC", "59", "76", "XE"]), max_size=4, unique=True))
                ),
                units=units,
                start=start,
                end=start if draw(st.booleans()) else end,
                amount=draw(st.integers(0, 10**9)),
                diagnoses=tuple(pointers),
                component="technical",
                rendering=draw(st.just("") | NPIS),
                ordering=draw(st.just("") | NPIS),
                place=draw(st.sampled_from(["", "11", "22"])),
                revenue=draw(st.sampled_from(["", "0333"])),
                **draw(st.sampled_from([{}, {"ndc": "00000-1111-22"}, MEASURED])),
            )
        )
    return tuple(made)


MEASURED: dict[str, Any] = {"ndc": "00000-1111-22", "ndc_quantity": Decimal("1.25"), "ndc_unit": "ML"}


@st.composite
def claims(draw: st.DrawFn) -> Claim:
    diagnoses = draw(st.lists(st.sampled_from(["C61", "C50.412", "C71.9", "Z51.0", "C79.51"]), max_size=5, unique=True))
    return Claim(
        id=draw(texts()),
        type=draw(st.sampled_from(ClaimType)),
        person=draw(texts()),
        patient_identifier=draw(st.just("") | texts()),
        entity=draw(PARTIES),
        payer=draw(PARTIES),
        coverage=draw(texts()),
        member=draw(st.just("") | texts()),
        lines=draw(lines(draw(st.integers(1, 6)), len(diagnoses))),
        diagnoses=tuple(diagnoses),
        built_on=draw(DAYS),
        facility=draw(PARTIES),
        frequency=draw(st.sampled_from(["1", "7", "8"])),
        replaces=draw(st.just("") | texts()),
        payer_claim_number=draw(st.just("") | texts()),
        relationship=draw(st.sampled_from(["self", "spouse", "child", ""])),
        authorization=draw(st.just("") | texts() | st.just("AUTH-7|AUTH-8")),
        cycle=draw(texts()),
        family=draw(st.just("") | NAMES),
        given=draw(st.just("") | NAMES),
        birth_date=draw(st.none() | st.dates(date(1920, 1, 1), date(2020, 1, 1))),
        sex=draw(st.sampled_from(["", "female", "male", "other", "unknown"])),
    )


@given(claims(), st.sampled_from(FORMS))
def test_what_is_written_reads_back_and_is_written_the_same_again(claim: Claim, profile: PayerEndpoint) -> None:
    written = wire.dumps(document(claim, profile=profile, created=CREATED))
    received = wire.resource(written)
    assert isinstance(received, dict)
    found = read(received)
    assert found == wire_form(claim)
    assert wire.dumps(document(found, profile=profile, created=CREATED)) == written


@given(claims(), st.sampled_from(FORMS))
def test_every_claim_of_ours_passes_the_checks(claim: Claim, profile: PayerEndpoint) -> None:
    made = document(claim, profile=profile, created=CREATED)
    before = wire.dumps(made)
    assert check.problems(made) == ()
    assert wire.dumps(made) == before


def test_what_stays_at_home() -> None:
    written = wire.dumps(document(CLAIM, profile=ALONE, created=CREATED)).decode()
    for own in ("lane-1", "oak|M-1|open", "2026-W02", "ch-1"):
        assert own not in written
    found = wire_form(CLAIM)
    assert found.total == CLAIM.total
    assert (found.id, found.person, found.coverage, found.cycle) == (CLAIM.id, "", "", "")


def test_a_professional_claim() -> None:
    made = plain(document(CLAIM, profile=ALONE, created=CREATED))
    assert made["identifier"][0]["system"] == "urn:oncoclaims:claim"
    assert (made["status"], made["use"], made["created"]) == ("active", "claim", "2026-01-09T15:30:00+00:00")
    assert made["type"]["coding"][0]["code"] == "professional"
    assert made["billablePeriod"] == {"start": "2026-01-05", "end": "2026-01-09"}
    assert [m["provider"]["identifier"]["value"] for m in made["careTeam"]] == ["1999999984", "1888888885"]
    assert made["supportingInfo"][0]["valueString"] == "C-000017"
    assert made["supportingInfo"][1]["code"]["coding"][0]["code"] == "1"
    assert [d["sequence"] for d in made["diagnosis"]] == [1, 2]
    assert "type" not in made["diagnosis"][0]
    assert made["insurance"] == [
        {"sequence": 1, "focal": True, "coverage": {"reference": "#coverage"}, "preAuthRef": ["AUTH-7"]}
    ]
    assert "related" not in made
    first, second = made["item"]
    assert first["servicedPeriod"] == {"start": "2026-01-05", "end": "2026-01-09"}
    assert first["modifier"] == [{"coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": "26"}]}]
    assert first["locationCodeableConcept"]["coding"][0]["code"] == "22"
    assert second["servicedDate"] == "2026-01-05"
    assert (second["careTeamSequence"], second["diagnosisSequence"]) == ([2], [1, 2])
    assert second["detail"][0]["productOrService"]["coding"][0]["system"] == "http://hl7.org/fhir/sid/ndc"
    assert second["detail"][0]["quantity"] == {"value": Decimal("6.8"), "unit": "ML"}
    assert b'"quantity":{"value":3},"unitPrice":{"value":30.10,"currency":"USD"},"net":{"value":90.30' in wire.dumps(
        document(CLAIM, profile=ALONE, created=CREATED)
    )
    assert made["total"] == {"value": Decimal("365.80"), "currency": "USD"}
    assert {r["resourceType"] for r in made["contained"]} == {"Patient", "Coverage", "Organization", "Location"}


def test_who_ordered_a_line_and_two_authorizations() -> None:
    ordered = replace(CLAIM.lines[0], ordering="1777777776")
    both = replace(ordered, line=2, rendering="1777777776")
    claim = replace(CLAIM, lines=(ordered, both), authorization="AUTH-7|AUTH-8")
    made = plain(document(claim, profile=ALONE, created=CREATED))
    assert made["insurance"][0]["preAuthRef"] == ["AUTH-7", "AUTH-8"]
    assert [(m["provider"]["identifier"]["value"], m["role"]["coding"][-1]["code"]) for m in made["careTeam"]] == [
        ("1999999984", "rendering"),
        ("1777777776", "DK"),
        ("1777777776", "rendering"),
    ]
    assert [item["careTeamSequence"] for item in made["item"]] == [[1, 2], [3, 2]]
    assert check.problems(document(claim, profile=ALONE, created=CREATED)) == ()


def test_a_replacement_on_an_institutional_claim() -> None:
    made = plain(document(HOSPITAL, profile=ALONE, created=CREATED))
    assert made["supportingInfo"][1]["category"]["coding"][0]["code"] == "typeofbill"
    assert made["supportingInfo"][1]["code"]["coding"][0]["code"] == "0137"
    (related,) = made["related"]
    assert related["claim"]["identifier"] == {"system": "urn:oncoclaims:claim", "value": "C-000009"}
    assert related["relationship"]["coding"][0]["code"] == "prior"
    assert related["reference"] == {"value": "ICN-5"}
    assert made["diagnosis"][0]["type"][0]["coding"][0]["code"] == "principal"
    assert made["item"][0]["revenue"]["coding"][0]["code"] == "0333"
    assert "locationCodeableConcept" not in made["item"][0]
    assert made["careTeam"][0]["role"]["coding"][0]["code"] == "attending"


def test_the_bundle_holds_all_that_its_claim_refers_to() -> None:
    made = document(CLAIM, profile=BUNDLED, created=CREATED)
    assert bundle(made) == made
    assert bundle(document(CLAIM, profile=ALONE, created=CREATED)) == made
    entries = plain(made)["entry"]
    urls = [entry["fullUrl"] for entry in entries]
    assert entries[0]["resource"]["resourceType"] == "Claim"
    assert "contained" not in entries[0]["resource"]
    assert len(set(urls)) == 6
    text = wire.dumps(made).decode()
    assert '"#' not in text
    for url in urls[1:]:
        assert f'"reference":"{url}"' in text


@pytest.mark.parametrize(
    ("cents", "units", "price"),
    [(9030, 3, "30.10"), (1010, 4, "2.525"), (100, 3, None), (0, 2, "0.00"), (1, 64, "0.00015625"), (5, 0, None)],
)
def test_unit_prices_are_exact_or_left_out(cents: int, units: int, price: str | None) -> None:
    found = unit_price(cents, units)
    if price is None or len(price) > 8:
        assert found is None
    else:
        assert str(found) == price
        assert found is not None
        assert found * units * 100 == cents


def test_a_claim_is_written_the_same_each_time() -> None:
    assert wire.dumps(document(CLAIM, profile=BUNDLED, created=CREATED)) == wire.dumps(
        document(CLAIM, profile=BUNDLED, created=CREATED)
    )


def test_what_is_no_claim_of_ours_cannot_be_read() -> None:
    with pytest.raises(ValueError, match="no Claim of ours"):
        read({"resourceType": "Patient"})
    with pytest.raises(ValueError, match="no Claim of ours"):
        bundle({"resourceType": "Claim", "created": "2026-01-01"})


# --- the check ---------------------------------------------------------------------------------------------

Change = Callable[[dict[str, Any]], object]
ITEM = {"value": Decimal("1.00"), "currency": "USD"}


def put(*path: Any, value: Any) -> Change:
    def change(claim: dict[str, Any]) -> None:
        place: Any = claim
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return change


def drop(name: str) -> Change:
    return lambda claim: claim.pop(name)


FAULTS: list[tuple[str, Change, str]] = [
    ("provider missing", drop("provider"), "provider"),
    ("use", put("use", value="billing"), "Claim.use: not claim"),
    ("status", put("status", value="done"), "Claim.status: not a code"),
    ("type typo", put("type", "coding", 0, "code", value="profesional"), "Claim.type: neither"),
    ("patient an organization", put("patient", "reference", value="#insurer"), "Claim.patient: not a Patient"),
    ("patient by wrong type", put("patient", value={"reference": "Organization/7"}), "Claim.patient: not a Patient"),
    ("dangling contained", put("insurer", "reference", value="#nobody"), "Claim.insurer: the resource is not in"),
    ("insurer empty", put("insurer", value={"display": "Oak"}), "Claim.insurer: names nothing"),
    ("coverage type", put("insurance", 0, "coverage", "reference", value="#patient"), "not a Coverage"),
    ("text for a number", put("item", 0, "net", "value", value="275.50"), "Claim.item[0].net: no amount"),
    ("patient a list", put("patient", value=[{"reference": "#patient"}]), "patient"),
    (
        "date that is none",
        put("item", 1, "servicedDate", value="2026-02-30"),
        "Claim.item[1].servicedDate: not a full date",
    ),
    ("month only", put("item", 1, "servicedDate", value="2026-02"), "Claim.item[1].servicedDate: not a full date"),
    ("period backwards", put("item", 0, "servicedPeriod", "end", value="2026-01-01"), "ends before it begins"),
    ("both serviced", put("item", 0, "servicedDate", value="2026-01-05"), "(shape)"),
    ("unknown element", put("vendorField", value=1), "(shape)"),
    ("no insurance", put("insurance", value=[]), "Claim.insurance: not exactly one is focal"),
    ("no focal", put("insurance", 0, "focal", value=False), "Claim.insurance: not exactly one is focal"),
    ("sequence 0", put("item", 0, "sequence", value=0), "Claim.item[0].sequence: not a positive"),
    ("sequence as text", put("item", 0, "sequence", value="1"), "Claim.item[0].sequence: not a positive"),
    ("sequence twice", put("item", 1, "sequence", value=1), "Claim.item[1].sequence: used before"),
    ("diagnosis sequence twice", put("diagnosis", 1, "sequence", value=1), "Claim.diagnosis[1].sequence: used before"),
    (
        "dangling diagnosis",
        put("item", 0, "diagnosisSequence", value=[7]),
        "Claim.item[0].diagnosisSequence[0]: points at no",
    ),
    ("dangling team", put("item", 0, "careTeamSequence", value=[7]), "Claim.item[0].careTeamSequence[0]: points at no"),
    ("net", put("item", 0, "net", value=ITEM), "Claim.item[0].net: not unitPrice × quantity"),
    ("total", put("total", "value", value=Decimal("365.81")), "Claim.total: not the sum"),
    ("no total", drop("total"), "Claim.total: no amount"),
    ("currency", put("item", 0, "unitPrice", "currency", value="US$"), "Claim.item[0].unitPrice.currency: not USD"),
    ("parts of a cent", put("total", "value", value=Decimal("365.805")), "Claim.total: has parts of a cent"),
    ("below zero", put("item", 0, "unitPrice", "value", value=Decimal("-1")), "Claim.item[0].unitPrice: below zero"),
    ("created a month", put("created", value="2026-01"), "Claim.created: not a full date"),
    ("no zone", put("created", value="2026-01-09T15:30:00"), "Claim.created: not a full date"),
    ("quantity 0", put("item", 0, "quantity", "value", value=0), "Claim.item[0].quantity: not a positive"),
    ("no code", put("item", 0, "productOrService", value={"text": "x"}), "Claim.item[0].productOrService: no code"),
    ("five pointers", put("item", 0, "diagnosisSequence", value=[1, 2, 1, 2, 1]), "more than 4 pointers"),
    ("five modifiers", put("item", 0, "modifier", value=[{"coding": [{"code": "59"}]}] * 5), "more than 4 modifiers"),
    ("no identifier", drop("identifier"), "Claim.identifier: missing"),
    ("no serviced", lambda claim: claim["item"][1].pop("servicedDate"), "Claim.item[1].serviced: missing"),
]


@pytest.mark.parametrize(("change", "expected"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_each_fault_is_told_with_its_place_and_without_names(change: Change, expected: str) -> None:
    made: Any = copy.deepcopy(document(CLAIM, profile=ALONE, created=CREATED))
    change(made)
    found = check.problems(made)
    assert any(expected in problem for problem in found), found
    for secret in ("Sorrel", "Ida", "77120", "M-1", "1958"):
        assert not any(secret in problem for problem in found)


def test_how_long_a_claim_may_be() -> None:
    line = CLAIM.lines[1]
    long = replace(CLAIM, lines=tuple(replace(line, line=n) for n in range(1, 52)))
    assert check.problems(document(long, profile=ALONE, created=CREATED)) == (
        "Claim.item: more than 50 lines on a professional claim",
    )
    hospital = replace(long, type=ClaimType.INSTITUTIONAL)
    assert check.problems(document(hospital, profile=ALONE, created=CREATED)) == ()
    ill = replace(CLAIM, diagnoses=tuple(f"C50.{n}" for n in range(100, 113)))
    assert check.problems(document(ill, profile=ALONE, created=CREATED)) == (
        "Claim.diagnosis: more than 12 diagnoses on a professional claim",
    )


def test_the_bundle_is_checked_like_the_claim() -> None:
    made: Any = copy.deepcopy(document(CLAIM, profile=BUNDLED, created=CREATED))
    made["entry"][0]["resource"]["total"]["value"] = Decimal("1.00")
    assert check.problems(made) == ("Bundle.entry[0].resource.total: not the sum of the lines' net",)
    del made["entry"][2]
    assert any("the resource is not in the document" in problem for problem in check.problems(made))


def test_what_is_no_claim() -> None:
    assert check.problems({"resourceType": "Patient"}) == ("the document is no Claim, nor a Bundle with one first",)
