"""The life of a claim, pair by pair, and the entry that cannot exist unbalanced."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import product

import pytest

from adapters.errors import Forbidden, Unbalanced
from adapters.model.claim import (
    LIFE,
    Claim,
    ClaimEvent,
    ClaimLine,
    ClaimOnFile,
    ClaimState,
    ClaimType,
    Party,
    step,
)
from adapters.model.ledger import Account, Entry, EntryLine
from adapters.model.record import PersonRecord

S, E = ClaimState, ClaimEvent

WORDS = {
    S.BUILT: "hold>held release>ready abandon>abandoned",
    S.HELD: "release>ready abandon>abandoned",
    S.READY: "hold>held send>sent? abandon>abandoned",
    S.UNKNOWN: "take>accepted queue>queued adjudicate>complete fail>error refuse>refused not-sent>ready lost>sent? "
    "send>sent?",
    S.ACCEPTED: "take>accepted queue>queued adjudicate>complete fail>error replace>replaced void>voided",
    S.QUEUED: "take>queued queue>queued adjudicate>complete fail>error",
    S.COMPLETE: "adjudicate>complete replace>replaced void>voided",
    S.ERROR: "",
    S.REFUSED: "",
    S.REPLACED: "",
    S.VOIDED: "",
    S.ABANDONED: "",
}
"""The table once more, by hand: what each state may become. What is not here is refused."""


@pytest.mark.parametrize(("state", "event"), list(product(S, E)), ids=lambda x: x.name.lower())
def test_every_pair_is_a_step_or_refused(state: ClaimState, event: ClaimEvent) -> None:
    steps = dict(pair.split(">") for pair in WORDS[state].split())
    if event.value in steps:
        assert step(state, event).value == steps[event.value] == LIFE[state, event].value
    else:
        assert (state, event) not in LIFE
        with pytest.raises(Forbidden, match=f"{state.value}.*{event.value}" if "?" not in state.value else event.value):
            step(state, event)


def test_unknown_is_left_by_evidence_only() -> None:
    leaving = {event for (state, event), after in LIFE.items() if state is S.UNKNOWN and after is not S.UNKNOWN}
    assert leaving == {E.TAKE, E.QUEUE, E.ADJUDICATE, E.FAIL, E.REFUSE, E.NOT_SENT}


def test_a_claim_that_was_sent_is_never_abandoned() -> None:
    assert {state for (state, event) in LIFE if event is E.ABANDON} == {S.BUILT, S.HELD, S.READY}


def claim(id: str = "c1") -> Claim:
    line = ClaimLine(1, ("x",), "77407", (), 1, date(2026, 1, 5), date(2026, 1, 5), 10000, (1,), "technical")
    more = ClaimLine(2, ("y",), "77336", (), 1, date(2026, 1, 5), date(2026, 1, 5), 2500, (1,), "technical")
    party = Party("a", "A")
    return Claim(
        id=id,
        type=ClaimType.INSTITUTIONAL,
        person="p1",
        patient_identifier="R-1",
        entity=party,
        payer=party,
        coverage="first|M-1",
        member="M-1",
        lines=(line, more),
        diagnoses=("C61",),
        built_on=date(2026, 1, 12),
        facility=party,
    )


def test_the_total_is_the_sum_of_the_lines_and_names_stay_out_of_the_repr() -> None:
    assert claim().total == 12500
    assert "family" not in repr(claim())


@pytest.mark.parametrize(
    ("state", "settlement", "printed"),
    [
        (S.BUILT, "", "held"),
        (S.HELD, "", "held"),
        (S.READY, "", "held"),
        (S.UNKNOWN, "", "submitted"),
        (S.QUEUED, "", "submitted"),
        (S.ACCEPTED, "", "accepted"),
        (S.COMPLETE, "", "accepted"),
        (S.COMPLETE, "partially-paid", "partially-paid"),
        (S.ERROR, "", "rejected"),
        (S.REFUSED, "", "rejected"),
        (S.REPLACED, "paid", "replaced"),
        (S.VOIDED, "paid", "voided"),
        (S.ABANDONED, "", "abandoned"),
    ],
)
def test_a_state_is_printed_as_the_contract_has_it(state: ClaimState, settlement: str, printed: str) -> None:
    assert ClaimOnFile(claim(), state, settlement).printed_state == printed


def test_a_record_replaces_a_claim_in_its_place_or_adds_it() -> None:
    record = PersonRecord("p1", claims=(ClaimOnFile(claim("a"), S.READY), ClaimOnFile(claim("b"), S.READY)))
    changed = record.with_claim(ClaimOnFile(claim("a"), S.UNKNOWN))
    assert [(c.claim.id, c.state) for c in changed.claims] == [("a", S.UNKNOWN), ("b", S.READY)]
    assert len(record.with_claim(ClaimOnFile(claim("c"), S.BUILT)).claims) == 3
    assert record.claim("b") is record.claims[1]
    assert record.claim("z") is None


AT = datetime(2026, 1, 12, tzinfo=UTC)


def test_an_entry_that_does_not_balance_cannot_exist() -> None:
    with pytest.raises(Unbalanced, match="do not sum to zero"):
        Entry("e", AT, "claim:c", (EntryLine(Account.RECEIVABLE, 1, "c", 1),))
    with pytest.raises(Unbalanced, match="without lines"):
        Entry("e", AT, "claim:c", ())


def test_a_reversal_takes_back_every_side_and_names_what_it_takes_back() -> None:
    sides = (EntryLine(Account.RECEIVABLE, 5, "c", 1), EntryLine(Account.CHARGES, -5, "c", 1))
    entry = Entry("e", AT, "claim:c", sides)
    back = entry.reversal("r", AT, "claim:d")
    assert back.reverses == "e"
    assert [-line.amount for line in back.lines] == [line.amount for line in sides]
