"""What is paid, line by line: it always adds up."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server_stub.adjudicate import Adjustment, Deny, LineResult, Reduce, adjudicate
from fhir_server_stub.claim import ClaimLine, ReadClaim
from fhir_server_stub.fees import Fees, valid_on

FEES = Fees.parse("code,modifier,allowed,from,to\n77407,,310.00,2026-01-01,\n77427,26,95.55,2025-01-01,2025-12-31\n")


def one(code: str, charge: str, day: str = "2026-01-05", *modifiers: str, quantity: int = 1) -> ReadClaim:
    line = ClaimLine(1, code, modifiers, date.fromisoformat(day), Decimal(quantity), Decimal(charge))
    return ReadClaim("s|1", "professional", "Patient/1", "1", (), (line,), line.charge)


def decide(claim: ReadClaim, verdict=None) -> LineResult:
    (result,) = adjudicate(claim, FEES, lambda _: verdict)
    return result


def entries(result: LineResult) -> dict[str, str]:
    return {f"{a.group}-{a.carc}": str(a.amount) for a in result.adjustments}


def test_paid_from_the_schedule():
    result = decide(one("77407", "400.00"))
    assert (result.allowed, result.paid) == (Decimal("310.00"), Decimal("248.00"))
    assert entries(result) == {"CO-45": "90.00", "PR-2": "62.00"}


def test_the_schedule_is_for_one_unit():
    assert decide(one("77407", "800.00", quantity=2)).allowed == Decimal("620.00")


def test_a_code_outside_the_schedule_is_allowed_at_four_fifths():
    result = decide(one("99999", "100.00"))
    assert (result.allowed, result.paid) == (Decimal("80.00"), Decimal("64.00"))


def test_modifier_and_day_choose_the_row():
    assert decide(one("77427", "200.00", "2025-12-31", "59", "26")).allowed == Decimal("95.55")
    assert decide(one("77427", "200.00", "2026-01-01", "26")).allowed == Decimal("160.00")


def test_never_more_than_was_charged():
    result = decide(one("77407", "100.00"))
    assert (result.allowed, entries(result)) == (Decimal("100.00"), {"PR-2": "20.00"})


def test_denial_pays_nothing():
    result = decide(one("77407", "400.00"), Deny("197", "PI"))
    assert (result.denied, result.paid, entries(result)) == (True, Decimal("0.00"), {"PI-197": "400.00"})


def test_reduction_is_contractual_unless_said():
    assert entries(decide(one("77407", "400.00"), Reduce(percent=Decimal(10)))) == {
        "CO-45": "121.00",
        "PR-2": "55.80",
    }
    with_reason = decide(one("77407", "400.00"), Reduce(amount=Decimal("9.99"), carc="59", group="PI"))
    assert entries(with_reason) == {"CO-45": "90.00", "PI-59": "9.99", "PR-2": "60.00"}


@pytest.mark.parametrize(
    ("code", "day", "valid"),
    [
        ("77385", "2025-12-31", True),
        ("77385", "2026-01-01", False),
        ("77014", "2026-01-02", False),
        ("G6001", "2026-01-02", False),
        ("G6017", "2025-12-31", True),
        ("G6018", "2026-01-02", True),
        ("77436", "2025-12-31", False),
        ("77439", "2026-01-01", True),
        ("77407", "2025-06-01", True),
    ],
)
def test_codes_live_on_their_days(code, day, valid):
    assert valid_on(code, date.fromisoformat(day)) is valid
    result = decide(one(code, "50.00", day))
    assert result.denied is not valid
    assert valid or entries(result) == {"CO-181": "50.00"}


def test_a_result_that_does_not_add_up_cannot_be_built():
    line = one("77407", "400.00").lines[0]
    with pytest.raises(ValueError, match="add up"):
        LineResult(line, Decimal(0), Decimal(0), (Adjustment("CO", "45", Decimal("399.99")),), denied=False)


money = st.decimals(min_value=0, max_value=100_000, places=2)
verdicts = (
    st.none()
    | st.just(Deny())
    | st.builds(
        Reduce,
        percent=st.decimals(min_value=0, max_value=150, places=1),
        amount=money,
        carc=st.sampled_from(["45", "59"]),
    )
)


@given(money, st.sampled_from(["77407", "77427", "99999"]), st.integers(1, 9), verdicts)
def test_every_line_adds_up(charge, code, quantity, verdict):
    result = decide(one(code, str(charge), quantity=quantity), verdict)
    assert charge == result.paid + sum((a.amount for a in result.adjustments), Decimal(0))
    assert Decimal(0) <= result.paid <= result.allowed <= charge
    assert all(a.amount > 0 or result.denied for a in result.adjustments)


def test_a_bad_schedule_names_its_line():
    with pytest.raises(ValueError, match="line 3"):
        Fees.parse("code,modifier,allowed,from,to\n77407,,1.00,2026-01-01,\n77412,,x,2026-01-01,\n")


def test_the_shipped_schedule_has_one_row_a_day():
    rows = Fees.shipped().rows
    assert len(rows) > 50
    for row in rows:
        same = [r for r in rows if (r.code, r.modifier) == (row.code, row.modifier) and r is not row]
        assert all((row.end and row.end < r.start) or (r.end and r.end < row.start) for r in same)
