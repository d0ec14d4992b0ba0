"""What goes to people outside says what is on file, asks for nothing undecided, and names what is missing."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pytest

from adapters.letters import appeal, article, history, packet, page, statement
from adapters.letters.statement import Statement
from adapters.model import money
from adapters.model.claim import ClaimState
from adapters.model.event import Event
from adapters.model.people import Demographics
from adapters.model.record import PersonRecord
from adapters.pipeline.patients import account_now
from tests.claims.test_secondary import answered, treated
from tests.model.clinic import fed, fraction, house, moment, of_state, paid_in_full, report, rules, sent

AT = house("freestanding")
NOW = moment("2026-02-02")
WHO = Demographics("Quill", "Ada")
ON = date(2026, 3, 2)


def stated(record: PersonRecord, claim: str = "") -> Statement:
    return statement(
        record,
        account_now(record, AT),
        WHO,
        rules(),
        sender="Heron Clinic",
        contact="207-555-0100, mornings",
        on=ON,
        claim=claim,
    )


def both_answered() -> PersonRecord:
    record = treated()
    record = answered(record, record.claims[0], ("CO", "45", 5_000), ("PR", "1", 3_000))
    total = record.claims[0].claim.total
    return answered(record, record.claims[1], ("OA", "23", total - 3_000), ("PR", "2", 1_200))


def denied() -> PersonRecord:
    record = treated()
    return answered(record, record.claims[0], ("CO", "197", record.claims[0].claim.total))


def test_a_statement_says_what_was_done_who_paid_what_is_due_and_why() -> None:
    record = both_answered()
    found = stated(record)
    assert found.due == 1_200
    (row,) = found.rows
    total = record.claims[0].claim.total
    assert (row.charged, row.insurance, row.reduced, row.yours) == (total, total - 6_200, 5_000, 1_200)
    assert row.charged == row.insurance + row.reduced + row.refused + row.yours
    assert found.reasons == (("coinsurance", 1_200),)
    for words in (
        "Dear Ada Quill,",
        "To pay now: $12.00",
        "coinsurance: $12.00",
        "207-555-0100, mornings",
        "2026-01-05",
    ):
        assert words in found.text
    assert "Still with your insurance" not in found.text


def test_nothing_is_asked_before_the_second_insurance_has_decided() -> None:
    record = treated()
    record = answered(record, record.claims[0], ("PR", "1", 3_000))
    found = stated(record)
    assert (found.due, len(found.waiting), found.rows) == (None, 1, ())
    assert "There is nothing for you to pay now" in found.text
    assert "To pay now" not in found.text
    assert stated(record, record.claims[0].claim.id).due is None


def test_what_was_paid_is_taken_off_and_what_is_too_much_goes_back() -> None:
    record = both_answered()
    record = fed([report("patient-payment", "2026-01-05", course="", amount="5.00")], AT, NOW, record)
    found = stated(record)
    assert (found.due, found.paid) == (700, 500)
    assert "You have paid $5.00 already. Thank you." in found.text
    record = fed([report("patient-payment", "2026-01-06", course="", amount="20.00")], AT, NOW, record)
    found = stated(record)
    assert (found.due, found.credit) == (None, 1_300)
    assert "$13.00 more than was left for you" in found.text


def test_of_one_claim_never_more_is_asked_than_of_the_account() -> None:
    record = both_answered()
    claim = record.claims[0].claim.id
    assert (stated(record, claim).due, stated(record, claim).paid) == (1_200, 0)
    record = fed([report("patient-payment", "2026-01-05", course="", amount="5.00")], AT, NOW, record)
    assert (stated(record, claim).due, stated(record, claim).paid) == (700, 500)
    record = fed([report("patient-payment", "2026-01-06", course="", amount="20.00")], AT, NOW, record)
    found = stated(record, claim)
    assert (found.due, found.paid) == (None, 1_200)
    assert "To pay now" not in found.text


def test_what_an_insurance_paid_too_much_is_not_asked_of_the_patient() -> None:
    record = treated()
    record = answered(record, record.claims[0], ("CO", "45", 5_000), ("PR", "1", 3_000))
    total = record.claims[0].claim.total
    record = answered(record, record.claims[1], ("OA", "23", total - 9_000))
    found = stated(record, record.claims[0].claim.id)
    assert found.rows[0].yours == -6_000
    assert (found.due, found.paid) == (None, 0)
    assert "There is nothing for you to pay." in found.text


def test_what_insurance_refused_is_not_asked_of_the_patient() -> None:
    record = denied()
    found = stated(record)
    assert found.due is None
    assert found.rows[0].refused == found.rows[0].charged
    assert "you owe nothing for it now" in found.text


@pytest.mark.parametrize("record", [both_answered(), denied(), treated()], ids=["answered", "denied", "new"])
def test_a_statement_reads_as_a_letter(record: PersonRecord) -> None:
    text = stated(record).text
    assert all(len(line) <= 120 for line in text.splitlines())
    assert text.endswith("and about who may help with the cost.\n")


class Words(HTMLParser):
    """The words of a page in order, that every element is closed in its turn, and what is loaded from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self.open: list[str] = []
        self.loads: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [value or "" for name, value in attrs if name in ("src", "href") or name.startswith("on")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.said.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).split())


@pytest.mark.parametrize("record", [both_answered(), denied(), treated()], ids=["answered", "denied", "new"])
def test_the_page_says_what_the_text_says(record: PersonRecord) -> None:
    found = stated(record)
    shown = Words(page(found))
    assert (shown.open, shown.loads) == ([], [])
    for sentence in found.text.splitlines():
        told = sentence.strip()
        if told and not re.search(r"  |^charged", told) and "your insurance has refused" not in told:
            words = told if "and you owe nothing for it now" in told else told.rstrip(".")
            assert words in shown.text, told
    for row in found.rows:
        for amount in (row.charged, row.insurance, row.reduced, row.yours):
            assert money.text(amount) in shown.said
        assert row.words in shown.said
    assert article(found) in page(found)


def test_what_stands_on_a_page_is_text_and_never_markup() -> None:
    odd = replace(stated(both_answered()), name="<b>Ada</b>", sender="A & B", contact="<script>x</script>")
    shown = Words(page(odd))
    assert "script" not in shown.open
    assert "Dear <b>Ada</b>," in shown.text
    assert "A & B" in shown.text
    assert "<script>" not in page(odd)


def test_days_of_a_letter_are_those_of_the_clinic() -> None:
    """What is sent at eight in the evening in New York is sent on the next day in UTC."""
    record = denied()
    id = record.claims[0].claim.id
    assert record.claims[0].submitted_at.startswith("2026-02-03T01:00")
    here, there = (history(record, id, ZoneInfo(name)) for name in ("America/New_York", "UTC"))
    assert here is not None
    assert there is not None
    assert (here.steps[0].on, there.steps[0].on) == ("2026-02-02", "2026-02-03")


def test_an_appeal_argues_by_the_denial_and_says_what_is_missing() -> None:
    record = denied()
    claim = record.claims[0]
    found = appeal(record, claim.claim.id, WHO, rules(), on=ON)
    assert found is not None
    text, missing = found
    for words in (claim.payer_claim_number, "M-1, Ada Quill", "reason 197", "The services were authorized", "C50.412"):
        assert words in text
    assert any("authorization" in one for one in missing)
    assert any("signed document" in one for one in missing)
    assert text.index("NOT PART OF THE LETTER") > text.index("(name, office and signature)")


def document(signed: str) -> Event:
    return report(
        "document", "2026-01-05T10:00", course="", document="D-7", document__type="progress note", signed=signed
    )


def test_what_is_on_file_is_named_and_no_longer_missing() -> None:
    record = fed([document("true")], AT, NOW, denied())
    found = appeal(record, record.claims[0].claim.id, WHO, rules(), on=ON)
    assert found is not None
    text, missing = found
    assert "Record: progress note of 2026-01-05, signed" in text
    assert not any("signed document" in one for one in missing)


def test_a_paid_claim_has_nothing_to_appeal() -> None:
    record = both_answered()
    assert appeal(record, record.claims[0].claim.id, WHO, rules(), on=ON) is None
    assert appeal(record, "no such claim", WHO, rules(), on=ON) is None


def test_a_packet_names_every_line_and_every_gap() -> None:
    record = denied()
    claim = record.claims[0].claim
    found = packet(record, claim.id)
    assert found is not None
    session = next(event for event in record.events if event.kind == "fraction")
    where = {(r.line, r.where) for r in found.references}
    assert (1, f"{session.source.message}#{session.source.at}") in where
    assert "line 1: no signed document of 2026-01-05 is on file" in found.gaps
    assert "line 1: no order on or before 2026-01-05 is on file" in found.gaps
    assert "the claim names no authorization" in found.gaps
    assert not found.complete
    more = [document("true"), report("order", "2026-01-02", course="", placer="O-1")]
    after = packet(fed(more, AT, NOW, record), claim.id)
    assert after is not None
    assert len(after.gaps) == len(found.gaps) - 2
    assert any("progress note of 2026-01-05, signed" in r.what for r in after.references)
    unsigned = packet(fed([document("false")], AT, NOW, record), claim.id)
    assert unsigned is not None
    assert "line 1: no signed document of 2026-01-05 is on file" in unsigned.gaps
    assert packet(record, "no such claim") is None


def test_a_chain_is_read_end_to_end_from_any_of_its_claims() -> None:
    record = both_answered()
    more = fraction("2026-01-05T09:00", 1, line="L1", isocenters=2, said="2026-01-20T20:00")
    record = paid_in_full(fed([more], AT, NOW, record), AT, NOW)
    every = {c.claim.id for c in record.claims}
    chains = [history(record, id) for id in every]
    assert len({repr(chain) for chain in chains}) == 1
    (chain, *_) = chains
    assert chain is not None
    told = [(step.what, step.payer) for step in chain.steps]
    assert told[:4] == [
        ("original", "first"), ("answer", "first"), ("original to payer 2", "second"), ("answer", "second"),
    ]  # fmt: skip
    replacement = next(step for step in chain.steps if step.what == "replacement")
    assert replacement.of == record.claims[0].claim.id
    assert any("code: " in one for one in replacement.differs)
    assert history(record, "no such claim") is None


def test_what_was_never_sent_is_a_gap() -> None:
    record = treated()
    ready = of_state(record, ClaimState.READY)[0]
    found = packet(record, ready.claim.id)
    assert found is not None
    assert "the claim was never sent" in found.gaps
    gone = packet(sent(record, AT, NOW), ready.claim.id)
    assert gone is not None
    assert "the claim was never sent" not in gone.gaps
