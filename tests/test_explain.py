"""Why: from whatever is on file back to rule, message and field, and from a message forward to the cent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapters.explain import Explanation, explain, hold_id, trace
from adapters.model.claim import ClaimEvent, ClaimState
from adapters.model.event import Status
from adapters.model.record import PersonRecord, SubmissionNews
from tests.model.clinic import (
    adjudication,
    background,
    exam,
    fed,
    fraction,
    happened,
    house,
    moment,
    paid_in_full,
    rules,
    sent,
    sessions,
)

AT = house("hospital")
NOW = moment("2026-02-02")
WEEK = sessions("2026-01-05", 5)
VISIT = exam("2026-01-06T10:10")


def told(message: str) -> str:
    return f"<{message[:8]}>"


def flat(explanation: Explanation | None) -> list[str]:
    assert explanation is not None
    return [says for _, says, _ in explanation.lines()]


@pytest.fixture(scope="module")
def record() -> PersonRecord:
    """A week of sessions, unpaid: one of them with unknown isocenters, one withdrawn, one reported twice."""
    odd = fraction("2026-01-12T09:00", 6, isocenters=None)
    gone = fraction("2026-01-13T09:00", 7, status=Status.WITHDRAWN)
    twice = fraction("2026-01-05T09:01", 1, feed="ehr", said="2026-01-06T08:00")
    return fed([*background(), *WEEK, VISIT, odd, gone, twice], AT, NOW)


def charge_of(record: PersonRecord, code: str, day: int) -> str:
    return next(c.id for c in record.charges if c.charge.code == code and c.charge.start.day == day)


def test_a_charge_says_its_line_its_rule_and_every_field_it_was_read_from(record: PersonRecord) -> None:
    found = explain(record, charge_of(record, "77407", 6), rules(), told)
    assert found is not None
    assert found.says.startswith("77407 × 1 at ")
    assert "on 2026-01-06, technical part, hospital: claimed" in found.says
    assert found.parts[0].says == "one delivery of course C1"
    rule = found.parts[1]
    assert rule.says.startswith("rule delivery: radiation-oncology.md 3")
    assert "charges/delivery.toml, since 2026-01-01, " in rule.source
    said = flat(found)
    for words in ("isocenters = 1", "technique = 3d", "event = fraction on 2026-01-06", told(WEEK[1].source.message)):
        assert words in said
    assert len(said) == len({(d, s, a) for d, s, a in found.lines()})
    sources = {source for _, _, source in found.lines()}
    assert {"FT1[1]", WEEK[1].source.message, "coverage"} <= sources


def test_a_unit_names_every_session_and_its_exam(record: PersonRecord) -> None:
    said = flat(explain(record, charge_of(record, "77427", 9), rules(), told))
    assert {told(e.source.message) for e in (*WEEK, VISIT)} <= set(said)


def test_a_lesser_charge_shows_the_better_line_kept_back(record: PersonRecord) -> None:
    said = flat(explain(record, charge_of(record, "77407", 12), rules(), told))
    (better,) = [words for words in said if words.startswith("held (person): isocenters-unknown")]
    assert "the better line 77412 × 1" in better
    assert f"next: {rules().hold('isocenters-unknown').next_step}" in said


def test_a_hold_says_what_would_settle_it(record: PersonRecord) -> None:
    hold = record.holds[0]
    found = explain(record, hold_id(hold), rules(), told)
    assert found is not None
    assert found.source == hold_id(hold)
    assert any(words.startswith("next: ") for words in flat(found))


def test_a_hold_without_a_line_or_a_step_says_what_it_has() -> None:
    unset = house("freestanding", options={})
    held = fed([*background(), fraction("2025-12-30T09:00", 1)], unset, NOW)
    said = flat(explain(held, hold_id(held.holds[0]), rules(), told))
    assert said[0] == "held (person): option-missing, delivery"
    guided = fed([*background(), fraction("2026-01-05T09:00", 1, guidance="cbct")], AT, NOW)
    never = next(h for h in guided.holds if h.code == "bundled")
    said = flat(explain(guided, hold_id(never), rules(), told))
    assert said[0].startswith("held (never): bundled, would bill 77387")
    assert rules().hold("bundled").words in said


def test_a_claim_says_why_its_lines_stand_together_and_what_came_back(record: PersonRecord) -> None:
    claim = next(c for c in record.claims if c.state is ClaimState.READY and c.claim.entity.id == "hospital")
    said = flat(explain(record, claim.claim.id, rules(), told))
    assert said[0].startswith("institutional claim, frequency 1, $")
    assert said[0].endswith(": held")
    assert said[1] == "House bills First for cycle 2026:2026-W02"
    assert sum(words.startswith("line ") for words in said) == len(claim.claim.lines)
    assert any("by rule delivery since 2026-01-01" in words for words in said)


def test_money_is_explained_to_the_cent_from_line_to_answer() -> None:
    at = house("freestanding")
    record = sent(fed([*background(), fraction("2026-01-05T09:00", 1)], at, NOW), at, NOW)
    (claim,) = record.claims
    amount = claim.claim.total
    answer = adjudication(claim, adjustments={1: [("CO", "45", 1234), ("CO", "197", amount - 1234)]})
    news = SubmissionNews(claim.claim.id, ClaimEvent.ADJUDICATE, "200", answer)
    record = happened(record, at, NOW, news)
    said = flat(explain(record, record.charges[0].id, rules(), told))
    assert "contractual $12.34" in said
    assert any(words.startswith(f"billed on claim {claim.claim.id} line 1 to First: denied") for words in said)
    whole = flat(explain(record, claim.claim.id, rules(), told))
    assert "the payer's number" in whole
    assert any(words.startswith("denial 197: ") for words in whole)
    entry = explain(record, record.entries[-1].id, rules(), told)
    assert entry is not None
    assert f"read from {told(answer.message)}" in flat(entry)
    assert "contractual $12.34" in flat(entry)


def test_a_correction_names_what_it_stands_for_and_its_entries_what_they_take_back() -> None:
    at = house("freestanding")
    session = fraction("2026-01-05T09:00", 1, line="L")
    record = paid_in_full(fed([*background(), session], at, NOW), at, NOW)
    changed = fraction("2026-01-05T09:00", 1, line="L", isocenters=2, said="2026-01-20T09:00")
    record = paid_in_full(fed([changed], at, NOW, record), at, NOW)
    original, correction = record.claims
    said = flat(explain(record, correction.claim.id, rules(), told))
    assert f"stands in place of claim {original.claim.id}" in said
    back = next(e for e in record.entries if e.reverses)
    assert "takes back an earlier entry" in flat(explain(record, back.id, rules(), told))


def test_what_is_not_on_file_has_no_explanation(record: PersonRecord) -> None:
    assert explain(record, "nothing", rules(), told) is None
    assert trace(record, "nothing", told, rules()) is None


def test_a_message_is_traced_forward_to_everything_that_rests_on_it(record: PersonRecord) -> None:
    said = flat(trace(record, WEEK[0].source.message, told, rules()))
    assert said[0] == told(WEEK[0].source.message)
    assert said[1] == "fraction on 2026-01-05"
    for code in ("77407", "77427", "77336"):
        assert any(words.startswith(f"charge {code} × 1") for words in said)
    assert any(words.startswith("billed on claim ") for words in said)


def test_a_message_that_owes_nothing_says_why(record: PersonRecord) -> None:
    by_kind = {e.kind: e for e in record.events}
    said = flat(trace(record, by_kind["coverage"].source.message, told, rules()))
    assert said[-1] == f"skipped: {rules().skip_words('context')}"
    withdrawn = next(e for e in record.events if e.status is Status.WITHDRAWN)
    said = flat(trace(record, withdrawn.source.message, told, rules()))
    assert said[1:] == ["fraction on 2026-01-13, withdrawn", f"skipped: {rules().skip_words('withdrawn')}"]
    again = next(e for e in record.events if e.feed == "ehr")
    said = flat(trace(record, again.source.message, told, rules()))
    assert "finding duplicate-suppressed" in said
    odd = next(e for e in record.events if e.day.day == 12)
    assert any(
        words.startswith("hold isocenters-unknown") for words in flat(trace(record, odd.source.message, told, rules()))
    )


def test_an_answer_is_traced_to_its_entries() -> None:
    at = house("freestanding")
    record = paid_in_full(fed([*background(), fraction("2026-01-05T09:00", 1)], at, NOW), at, NOW)
    (answer,) = record.remittances
    said = flat(trace(record, answer.message, told, rules()))
    assert said[1] == f"an answer to claim {answer.claim}: adjudicated"
    assert any(words.startswith("payer-payment $") for words in said)


def test_a_part_that_gave_no_event_is_traced_too(record: PersonRecord) -> None:
    skip = replace(record.skips[0], event="omitted:m9#Observation/1", reason="unknown-type")
    said = flat(trace(replace(record, skips=(skip,)), "m9", told, rules()))
    assert said[1].endswith(": unknown-type")
