"""JSON of the stub keeps every digit of money."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server_stub.wire import dumps, loads


def test_digits_stay_as_they_were():
    text = b'{"a":12.50,"b":0.10,"c":12345678901234567.89,"d":[1,true,null,"x"]}'
    assert dumps(loads(text)) == text


def test_plain_notation_only():
    assert dumps({"v": Decimal("1E+3")}) == b'{"v":1000}'


@pytest.mark.parametrize("value", [1.5, Decimal("NaN"), object()])
def test_what_is_no_json_is_refused(value):
    with pytest.raises(TypeError):
        dumps([value])


def test_nan_is_not_read():
    with pytest.raises(ValueError, match="NaN"):
        loads(b"[NaN]")


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**12), max_value=10**12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_round_trip(value):
    written = dumps(value)
    assert loads(written) == value
    assert dumps(loads(written)) == written
