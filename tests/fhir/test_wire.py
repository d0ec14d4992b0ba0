"""JSON with exact decimals: what comes in goes out, and what is no honest JSON is refused with its reason."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.fhir import wire
from adapters.fhir.problem import Refused

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20)
DECIMALS = st.builds(
    lambda digits, exponent, sign: Decimal((sign, tuple(map(int, str(digits))), exponent)),
    st.integers(0, 10**28 - 1),
    st.integers(-20, -1),
    st.integers(0, 1),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | DECIMALS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def same(one: Any, other: Any) -> bool:
    """Equal, and decimals digit for digit (12.5 is not 12.50)."""
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and str(one) == str(other)


@given(JSON)
def test_what_is_written_reads_back_the_same(value: Any) -> None:
    assert same(wire.loads(wire.dumps(value)), value)


@given(DECIMALS)
def test_decimals_of_28_digits_keep_every_digit(number: Decimal) -> None:
    written = wire.dumps({"value": number})
    assert b"E" not in written
    assert written == b'{"value":' + format(number, "f").encode() + b"}"


@pytest.mark.parametrize(
    ("text", "written"),
    [("12.50", "12.50"), ("1E+3", "1000"), ("0E-10", "0.0000000000"), ("1E-9", "0.000000001"), ("-0.10", "-0.10")],
)
def test_no_exponent_ever(text: str, written: str) -> None:
    assert wire.dumps([Decimal(text)]) == f"[{written}]".encode()


def test_whole_numbers_stay_whole_and_fractions_exact() -> None:
    value = wire.loads(b'{"a":1,"b":12.50,"c":12345678901234567.89,"d":1e2}')
    assert isinstance(value, dict)
    assert type(value["a"]) is int
    assert str(value["b"]) == "12.50"
    assert value["c"] == Decimal("12345678901234567.89")
    assert isinstance(value["d"], Decimal)
    assert wire.dumps(value) == b'{"a":1,"b":12.50,"c":12345678901234567.89,"d":100}'


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "not-json"),
        (b'{"a":}', "not-json"),
        (b'{"a":1} tail', "not-json"),
        (b'{"a":"x\ny"}', "not-json"),
        (b'{"a":\xff}', "not-utf8"),
        (b'{"a":NaN}', "number-not-finite"),
        (b'{"a":-Infinity}', "number-not-finite"),
        (b'{"a":1e999999999}', "number-out-of-range"),
        (b'{"a":1e-999999999999999999999}', "number-out-of-range"),
        (b'{"a":' + b"9" * 5000 + b"}", "number-out-of-range"),
        (b'{"status":"a","status":"b"}', "duplicate-key"),
        (b'{"x":[{"k":1,"k":1}]}', "duplicate-key"),
        (b'{"a":"x\\u0000"}', "control-character"),
        (b'{"a\\u0007":1}', "control-character"),
        (b'{"a":"\\ud800"}', "control-character"),
        (b"[" * 65 + b"]" * 65, "too-deep"),
        (b"[" * 200_000 + b"]" * 200_000, "too-deep"),
    ],
)
def test_what_is_refused(body: bytes, code: str) -> None:
    refused = wire.loads(body)
    assert isinstance(refused, Refused)
    assert [problem.code for problem in refused.problems] == [code]


def test_several_faults_are_told_at_once_and_no_value_of_them() -> None:
    refused = wire.loads(b'{"family":"Sorrel","family":"Sorrel\\u0001"}')
    assert isinstance(refused, Refused)
    assert [problem.code for problem in refused.problems] == ["duplicate-key", "control-character"]
    assert "Sorrel" not in str(refused)


def test_tab_line_end_and_byte_order_mark_are_fine() -> None:
    assert wire.loads(b'\xef\xbb\xbf{"a":"x\\t\\r\\ny"}') == {"a": "x\t\r\ny"}
    assert wire.loads(b"[" * 63 + b"1" + b"]" * 63) is not None


def test_the_limit_is_a_parameter() -> None:
    refused = wire.loads(b'{"a":1}', limit=6)
    assert isinstance(refused, Refused)
    assert refused.problems[0].code == "too-long"
    assert wire.loads(b'{"a":1}', limit=7) == {"a": 1}


@pytest.mark.parametrize("body", [b"[]", b"1", b"{}", b'{"resourceType":7}', b'{"resourceType":""}'])
def test_json_that_is_no_resource(body: bytes) -> None:
    refused = wire.resource(body)
    assert isinstance(refused, Refused)
    assert refused.problems[0].code == "not-fhir"
    assert wire.resource(b'{"resourceType":"Patient"}') == {"resourceType": "Patient"}


@pytest.mark.parametrize("value", [1.5, Decimal("NaN"), Decimal("Infinity"), {1: 2}, {"a": b"x"}, {"a": {1, 2}}])
def test_what_json_has_no_word_for_is_a_bug(value: Any) -> None:
    with pytest.raises(TypeError):
        wire.dumps(value)


def test_a_bundle_has_so_many_entries_and_no_more() -> None:
    def bundle(count: int) -> bytes:
        inner = {"resourceType": "Bundle", "entry": [{}] * (count - 1)}
        return json.dumps({"resourceType": "Bundle", "entry": [{"resource": inner}]}).encode()

    assert isinstance(wire.resource(bundle(wire.ENTRY_LIMIT)), dict)
    refused = wire.resource(bundle(wire.ENTRY_LIMIT + 1))
    assert isinstance(refused, Refused)
    assert [problem.code for problem in refused.problems] == ["too-many-entries"]
