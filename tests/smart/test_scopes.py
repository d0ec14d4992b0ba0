"""Scopes: both versions, what is given of what is asked for, and what a request needs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.smart.scopes import LETTERS, Scope, allows, granted, of_bundle, of_request, scope


def one(text: str) -> Scope:
    found = scope(text)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("system/Procedure.c", "system/Procedure.c"),
        ("system/*.cruds", "system/*.cruds"),
        ("system/Patient.read", "system/Patient.rs"),
        ("system/*.write", "system/*.cud"),
        ("system/*.*", "system/*.cruds"),
        ("hl7v2.write", "hl7v2.write"),
    ],
)
def test_both_versions_say_the_same(said: str, meant: str) -> None:
    assert str(one(said)) == meant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "system/Procedure.",
        "system/Procedure.dc",  # letters in another order are no scope
        "system/Procedure.cc",
        "system/procedure.c",
        "system/Procedure.c?category=http://x|y",
        "system/Procedure.writes",
        "patient/Procedure.c",
        "user/*.*",
        "openid",
        "system/Procedure.c\n",
        "hl7v2.read",
    ],
)
def test_what_is_no_scope_of_a_system(text: str) -> None:
    assert scope(text) is None


@pytest.mark.parametrize(
    ("asked", "most", "given_"),
    [
        ("system/Procedure.c", ["system/Procedure.cu"], ["system/Procedure.c"]),
        ("system/*.write", ["system/*.cud"], ["system/*.write"]),
        ("system/*.cruds", ["system/Procedure.c", "system/Patient.cu"], ["system/Procedure.c", "system/Patient.cu"]),
        ("system/Procedure.cruds", ["system/*.c"], ["system/Procedure.c"]),
        ("system/Claim.r", ["system/Procedure.cruds"], []),
        ("system/Procedure.r", ["system/Procedure.c"], []),
        ("hl7v2.write", ["system/*.cruds"], []),
        ("system/*.cruds", ["hl7v2.write"], []),
        (
            "hl7v2.write openid system/Patient.c",
            ["hl7v2.write", "system/Patient.c"],
            ["hl7v2.write", "system/Patient.c"],
        ),
    ],
)
def test_never_more_is_given_than_may_be(asked: str, most: list[str], given_: list[str]) -> None:
    assert list(granted(asked.split(), most)) == given_


_SCOPES = st.builds(
    "system/{}.{}".format,
    st.sampled_from(["*", "Procedure", "Patient", "Claim"]),
    st.sets(st.sampled_from(LETTERS), min_size=1).map(lambda found: "".join(x for x in LETTERS if x in found)),
)


@given(st.lists(_SCOPES, max_size=4), st.lists(_SCOPES, max_size=4), _SCOPES)
def test_what_the_given_allows_both_the_asked_and_the_most_allow(asked: list[str], most: list[str], tried: str) -> None:
    wanted = one(tried)
    if allows(granted(asked, most), wanted):
        assert allows(asked, wanted)
        assert allows(most, wanted)
    for letter in wanted.letters:
        single = Scope(wanted.kind, frozenset(letter))
        assert allows(granted(asked, most), single) == (allows(asked, single) and allows(most, single))


@pytest.mark.parametrize(
    ("request_", "needed"),
    [
        ("POST /fhir/Procedure", "system/Procedure.c"),
        ("PUT /fhir/Procedure/1", "system/Procedure.u"),
        ("PUT /fhir/Procedure", "system/Procedure.u"),
        ("GET /fhir/Claim/1", "system/Claim.r"),
        ("POST /hl7v2", "hl7v2.write"),
    ],
)
def test_what_a_request_needs(request_: str, needed: str) -> None:
    found = of_request(*request_.split())
    assert found == one(needed)


@pytest.mark.parametrize("path", ["/fhir", "/fhir/", "/fhir/$process-message", "/fhir/Bundle"])
def test_a_bundle_is_asked_by_what_is_in_it(path: str) -> None:
    assert of_request("POST", path) == Scope("Bundle", frozenset())


@pytest.mark.parametrize(
    "request_",
    [
        "GET /",
        "GET /courses",
        "GET /open/x",
        "GET /hl7v2",
        "GET /fhir/Claim",
        "DELETE /fhir/Procedure",
        "PATCH /fhir/Procedure/1",
        "POST /fhir/$export",
        "POST /fhir/Procedure/1/$do",
        "POST /fhir//Procedure",
        "POST /fhir/*",
        "GET /metrics",
    ],
)
def test_what_no_scope_allows(request_: str) -> None:
    assert of_request(*request_.split()) is None


def entry(kind: str | None, method: str | None = None, url: str | None = None) -> dict[str, object]:
    made: dict[str, object] = {"resource": {"resourceType": kind}} if kind else {}
    return made | ({"request": {"method": method, "url": url or kind}} if method else {})


@pytest.mark.parametrize(
    ("entries", "needed"),
    [
        (
            [entry("Procedure", "POST"), entry("Patient", "PUT", "Patient/1")],
            {"system/Procedure.c", "system/Patient.u"},
        ),
        ([entry("Procedure"), entry("MessageHeader")], {"system/Procedure.c", "system/MessageHeader.c"}),
        ([entry(None, "DELETE", "Procedure/1")], {"system/Procedure.d"}),
        ([entry(None, "GET", "Claim?patient=1")], {"system/Claim.r"}),
        # The one says Patient, the other Procedure: both are needed, whichever is believed later.
        ([entry("Procedure", "POST", "Patient")], {"system/Procedure.c", "system/Patient.c"}),
        ([entry("procedure", "POST", "Patient")], {"system/*.c", "system/Patient.c"}),
        ([{"resource": {"resourceType": "Bundle", "entry": [entry("Claim", "POST")]}}], {"system/Claim.c"}),
        # What is read of an entry is needed, whatever method stands beside it and wherever its name does.
        ([entry("Procedure", "GET", "Procedure/1")], {"system/Procedure.cr"}),
        ([entry("Procedure", "DELETE", "Procedure/1")], {"system/Procedure.cd"}),
        ([{"fullUrl": "https://x/fhir/Patient/1", "request": {"method": "DELETE"}}], {"system/Patient.d"}),
        ([entry(None, "DELETE", "/Patient/1")], {"system/Patient.d"}),
        ([entry(None, "DELETE", " Patient/1")], {"system/Patient.d"}),
        (
            [{**entry(None, "DELETE", "Procedure"), "fullUrl": "https://x/fhir/Patient/1"}],
            {"system/Procedure.d", "system/Patient.d"},
        ),
        ([7, None, {}, {"resource": []}, {"resource": {"resourceType": 3}}], {"system/*.c"}),
    ],
)
def test_what_a_bundle_needs(entries: list[object], needed: set[str]) -> None:
    assert {str(found) for found in of_bundle({"resourceType": "Bundle", "entry": entries})} == needed  # type: ignore[dict-item]


def test_what_is_no_bundle_needs_what_it_is() -> None:
    assert {str(found) for found in of_bundle({"resourceType": "ClaimResponse"})} == {"system/ClaimResponse.c"}


def test_a_bundle_of_nothing_needs_nothing() -> None:
    assert of_bundle({"resourceType": "Bundle"}) == frozenset()
