"""A later payer's claim restates what payers before it decided, and reads back the same to the cent."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.fhir import check
from adapters.fhir.claim import document, read, wire_form
from adapters.model.claim import Claim, Party, PriorLine, PriorPayer
from adapters.model.remittance import Adjustment
from tests.fhir.test_claim import CLAIM, CREATED, FORMS, HOSPITAL, plain

FIRST = PriorPayer(
    payer=Party("elm", "Elm Employers Plan"),
    member="E-88",
    paid=20_000,
    lines=(
        PriorLine(1, 15_000, (Adjustment("CO", "45", 10_000), Adjustment("PR", "2", 2_550, ("N59", "MA18")))),
        PriorLine(2, 5_000, (Adjustment("PR", "1", 4_030),)),
    ),
    claim_number="ELM-1",
    adjudicated_on=date(2026, 2, 2),
)
THEN = replace(FIRST, payer=Party("oak", "Oak Mutual"), member="M-1", paid=0, claim_number="", adjudicated_on=None)
SECOND = replace(CLAIM, sequence=2, prior=(FIRST,), follows="C-000001")


@pytest.mark.parametrize("profile", FORMS)
@pytest.mark.parametrize("claim", [SECOND, replace(SECOND, sequence=3, prior=(FIRST, THEN))], ids=["second", "third"])
def test_a_later_payers_claim_passes_every_check_and_reads_back(claim: Claim, profile: object) -> None:
    written = plain(document(claim, profile=profile, created=CREATED))  # type: ignore[arg-type]
    assert check.problems(written) == ()
    assert read(written) == wire_form(claim)


def test_its_own_insurance_is_the_focal_one_and_the_first_payers_answer_stands_beside_it() -> None:
    written = plain(document(SECOND, profile=FORMS[0], created=CREATED))
    assert [(i["sequence"], i["focal"], "claimResponse" in i) for i in written["insurance"]] == [
        (2, True, False),
        (1, False, True),
    ]
    assert "C-000001" not in str(written)


def test_a_condition_code_says_why_a_claim_is_cancelled() -> None:
    void = replace(HOSPITAL, frequency="8", condition_codes=("D6",))
    written = plain(document(void, profile=FORMS[0], created=CREATED))
    assert check.problems(written) == ()
    assert read(written).condition_codes == ("D6",)


@given(
    st.lists(
        st.builds(
            Adjustment,
            st.sampled_from(["CO", "PR", "OA", "PI"]),
            st.sampled_from(["1", "2", "45", "253", "A1"]),
            st.integers(-100_000, 100_000),
        ),
        max_size=4,
    ),
    st.integers(0, 900_000),
)
def test_any_adjudication_reads_back_to_the_cent(adjustments: list[Adjustment], paid: int) -> None:
    prior = replace(FIRST, paid=paid, lines=(PriorLine(1, paid, tuple(adjustments)),))
    claim = replace(SECOND, prior=(prior,))
    assert read(plain(document(claim, profile=FORMS[0], created=CREATED))).prior == (prior,)
