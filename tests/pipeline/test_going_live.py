"""Going live in shadow: what is derived and not claimed, what was billed elsewhere, what was taken as history."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.explain import explain, hold_id
from adapters.model.charge import Component
from adapters.model.claim import ClaimEvent, ClaimState
from adapters.model.decision import About, Verb, saying
from adapters.model.event import HISTORIC, Event, Omission
from adapters.model.journal import JournalEntry
from adapters.model.live import Live
from adapters.model.people import Identifier, PersonHint
from adapters.model.record import Captured, ChargeStatus, PersonRecord, Reading, SubmissionNews
from adapters.model.tables import Edition, OpeningRow, TableKind
from adapters.model.why import Fact, Source
from adapters.pipeline import House, step
from adapters.pipeline.going_live import KEPT_BACK
from adapters.pipeline.read import read
from adapters.pipeline.receive import as_history, receive_fhir
from adapters.pipeline.step import rederived
from adapters.tables.held import HeldTables
from adapters.work.standing import may_go
from tests.model.clinic import (
    PERSON,
    PRE2026,
    background,
    ended,
    exams,
    fed,
    fraction,
    happened,
    moment,
    report,
    rules,
    sent,
    sessions,
    site,
)
from tests.pipeline.test_stated import of_hold, says

MRN = Identifier("urn:clinic:mrn", "Q-1")
AFTER = moment("2026-03-30")
COURSE = sessions("2026-01-05", 10)
"""Two weeks of sessions; a management unit at the end of each."""


def edition(kind: TableKind, name: str = "1") -> Edition:
    return Edition(kind, "", name, date(2000, 1, 1), None, f"{kind}{name}", 1)


def over(
    *live: Live, opening: Sequence[OpeningRow] = (), decided: Sequence[Live] = (), options: dict[str, str] | None = None
) -> House:
    """A centre with these rows of the site file, this opening, and these decisions."""
    place = site("freestanding", **({"options": options} if options else {}))  # type: ignore[arg-type]
    tables = [(edition(TableKind.OPENING), tuple(opening))] if opening else []
    tables += [(edition(TableKind.LIVE), tuple(decided))] if decided else []
    return House.of(rules(), replace(place, live=live), HeldTables(tables))


def known(record: PersonRecord) -> PersonRecord:
    return replace(record, identifiers=(MRN,))


def run(events: Sequence[Event], at: House) -> PersonRecord:
    return fed([*background(), *events], at, AFTER, known(PersonRecord(PERSON)))


def due(record: PersonRecord) -> list[tuple[str, str]]:
    live = (c.charge for c in record.charges if c.status is not ChargeStatus.VOID)
    return sorted((charge.start.isoformat(), charge.code) for charge in live)


def back(record: PersonRecord, *codes: str) -> list[tuple[str, str]]:
    """(date, code) of what is derived and kept back, under these holds."""
    wanted = codes or tuple(KEPT_BACK)
    return sorted((h.would.start.isoformat(), h.would.code) for h in record.holds if h.would and h.code in wanted)


def row(service: str, code: str, day: str, **more: object) -> OpeningRow:
    said: dict[str, object] = {"modifiers": (), "units": 1, "entity": "", "claim": "OLD-1", **more}
    return OpeningRow(MRN.system, MRN.value, service, code, day=date.fromisoformat(day), **said)  # type: ignore[arg-type]


def course() -> list[Event]:
    return [*COURSE, *exams(COURSE), ended("2026-01-16")]


def test_without_a_word_of_it_everything_is_claimed() -> None:
    record = run(course(), over())
    assert len(due(record)) == 14
    assert not back(record)


def test_before_the_day_all_is_derived_and_nothing_is_claimed() -> None:
    record = run(course(), over(Live(live_from=date(2026, 1, 12), place="live.0")))
    whole = due(run(course(), over()))
    assert due(record) == [line for line in whole if line[0] >= "2026-01-12"]
    assert back(record, "shadow") == [line for line in whole if line[0] < "2026-01-12"]
    claimed = {line.start for claim in record.claims for line in claim.claim.lines}
    assert claimed
    assert min(claimed) == date(2026, 1, 12)
    assert not record.work


def test_a_unit_over_the_day_stands_on_the_side_of_its_date_of_service() -> None:
    """Sessions of 5 to 9 January are one unit: counted whole, dated on the 9th."""
    at = over(Live(live_from=date(2026, 1, 7), place="live.0"))
    record = run(course(), at)
    assert ("2026-01-09", "77427") in due(record)
    assert [day for day, _ in back(record)] == ["2026-01-05", "2026-01-06"]
    first = over(Live(live_from=date(2026, 1, 7)), options={"management.dos": "first_fraction", **PRE2026})
    assert ("2026-01-05", "77427") in back(run(course(), first))


def test_the_explanation_says_from_when_on_and_where_that_is_said() -> None:
    at = over(Live(service="delivery", live_from=date(2026, 1, 7), place="families.0.delivery"))
    record = run(course(), at)
    hold = next(h for h in record.holds if h.code == "shadow")
    found = explain(record, hold_id(hold), at.rules, lambda message: message)
    assert found is not None
    said = [words for _, words, _ in found.lines()]
    assert any("would bill 77" in words for words in said)
    assert "going live = delivery: claimed from 2026-01-07 on" in said
    assert "date of service = 2026-01-05" in said
    assert "families.0.delivery" in [source for _, _, source in found.lines()]


def test_before_the_comparison_begins_lines_are_told_apart() -> None:
    at = over(Live(shadow_from=date(2026, 1, 8), live_from=date(2026, 1, 12)))
    record = run(course(), at)
    assert {day for day, _ in back(record, "before-shadow")} == {"2026-01-05", "2026-01-06", "2026-01-07"}
    assert {day for day, _ in back(record, "shadow")} == {"2026-01-08", "2026-01-09"}


@pytest.mark.parametrize(
    ("rows", "live"),
    [
        ([Live(live_from=date(2027, 1, 1)), Live(service="delivery", live_from=date(2026, 1, 1))], {"delivery"}),
        ([Live(service="radiation", live_from=date(2027, 1, 1)), Live(service="physics", live_from=date(2026, 1, 1))],
         {"physics"}),
        ([Live(payer="first", live_from=date(2027, 1, 1)), Live(entity="center", live_from=date(2026, 1, 1))], set()),
        ([Live(service="delivery", live_from=date(2026, 1, 1)), Live(payer="first", live_from=date(2027, 1, 1))],
         {"delivery"}),
        ([Live(service="delivery", live_from=date(2026, 1, 1)),
          Live(payer="first", entity="center", live_from=date(2027, 1, 1))], set()),
        ([Live(payer="second", live_from=date(2027, 1, 1))], {"delivery", "management", "physics"}),
        ([Live(shadow_from=date(2025, 1, 1))], set()),
    ],
)  # fmt: skip
def test_the_most_specific_row_says_it(rows: list[Live], live: set[str]) -> None:
    record = run(course(), over(*rows))
    services = {c.charge.slot.service for c in record.charges}
    assert services == live


def test_a_decision_takes_the_place_of_the_site_files_row_of_its_scope() -> None:
    row = Live(service="delivery", live_from=date(2027, 1, 1))
    decided = replace(row, live_from=date(2026, 1, 1))
    assert not [c for c in run(course(), over(row)).charges if c.charge.slot.service == "delivery"]
    record = run(course(), over(row, decided=[decided]))
    assert len([c for c in record.charges if c.charge.slot.service == "delivery"]) == 10


def test_a_line_that_is_held_in_shadow_opens_no_work_and_says_what_held_it() -> None:
    """The second week has no examination: its unit waits for a document where it is live."""
    events = [*COURSE, *[e for e in exams(COURSE) if e.day < date(2026, 1, 12)], ended("2026-01-16")]
    assert [item.code for item in run(events, over()).work] == ["documentation-missing"]
    record = run(events, over(Live(live_from=date(2026, 2, 1))))
    assert not record.work
    assert not due(record)
    assert [h.detail for h in record.holds if h.detail.startswith("held too: documentation-missing")]


def test_what_was_sent_is_never_taken_back() -> None:
    record = sent(run(course(), over()), over(), AFTER)
    assert {c.status for c in record.charges} == {ChargeStatus.SENT}
    later = rederived(record, over(Live(live_from=date(2027, 1, 1))), moment("2026-03-31"))
    assert {c.status for c in later.charges} == {ChargeStatus.SENT}
    assert not [c for c in later.claims if c.claim.frequency != "1"]
    opened = rederived(record, over(opening=[row("delivery", "77402", "2026-01-05")]), moment("2026-03-31"))
    assert {c.status for c in opened.charges} == {ChargeStatus.SENT}
    assert [f.kind for f in opened.findings if f.kind == "billed-elsewhere-too"] == ["billed-elsewhere-too"]


def test_an_unsent_claim_goes_when_its_lines_are_shadow() -> None:
    record = run(course(), over())
    assert {c.state for c in record.claims} == {ClaimState.READY}
    later = rederived(record, over(Live(live_from=date(2027, 1, 1))), moment("2026-03-31"))
    assert {c.state for c in later.claims} == {ClaimState.ABANDONED}
    again = rederived(later, over(), moment("2026-03-31"))
    assert due(again) == due(record)
    assert {c.id for c in again.charges} == {c.id for c in record.charges}


# ---------------------------------------------------------------- the opening


def test_the_opening_takes_the_unit_it_names_and_no_other() -> None:
    record = run(course(), over(opening=[row("management", "77427", "2026-01-16", key="2")]))
    assert back(record, "billed-elsewhere") == [("2026-01-16", "77427")]
    assert [line for line in due(record) if line[1] == "77427"] == [("2026-01-09", "77427")]
    hold = next(h for h in record.holds if h.code == "billed-elsewhere")
    assert "77427 × 1 of 2026-01-16, claim OLD-1" in [fact.value for fact in hold.why.facts]


def test_a_unit_number_of_another_month_is_not_ours() -> None:
    record = run(course(), over(opening=[row("management", "77427", "2025-11-07", key="1")]))
    assert not back(record)


def test_a_session_billed_elsewhere_under_another_code_is_not_billed_again() -> None:
    record = run(course(), over(opening=[row("delivery", "77412", "2026-01-06", course="c1")]))
    assert [day for day, _ in back(record, "billed-elsewhere")] == ["2026-01-06"]
    other = run(course(), over(opening=[row("delivery", "77412", "2026-01-06", course="c2")]))
    assert not back(other)


def test_what_a_course_owes_once_is_spent_on_whatever_day() -> None:
    plan = report("planning", "2026-01-08T11:00", complexity="complex")
    whole = run([*course(), plan], over())
    assert ("2026-01-08", "77263") in due(whole)
    record = run([*course(), plan], over(opening=[row("planning", "77263", "2025-12-19", course="C1")]))
    assert back(record, "billed-elsewhere") == [("2026-01-08", "77263")]


def test_fewer_units_elsewhere_than_are_due_ask_a_person() -> None:
    events = [report("dosimetry-calc", "2026-01-05T08:00", count=5)]
    record = run(events, over(opening=[row("dosimetry", "77300", "2026-01-05", units=3)]))
    assert [(h.code, h.detail) for h in record.holds] == [
        ("review-needed", "3 of 5 units were billed elsewhere before")
    ]
    assert [item.code for item in record.work] == ["review-needed"]
    (hold,) = record.holds
    assert hold.would is not None
    assert (hold.would.units, may_go(hold)) == (2, True), "what is left, and no more, is what would be billed"
    # A person lets the rest go: it is billed, and stays what was sent however often it is looked at.
    tables = over(opening=[row("dosimetry", "77300", "2026-01-05", units=3)])
    let = step(record, [says(of_hold(Verb.RELEASE, hold))], tables, AFTER)
    assert [(c.charge.code, c.charge.units) for c in let.charges] == [("77300", 2)]
    assert not [item for item in let.work if item.closed is None]
    (claim,) = [c for c in let.claims if any(line.code == "77300" for line in c.claim.lines)]
    news = (SubmissionNews(claim.claim.id, event, "202") for event in (ClaimEvent.SEND, ClaimEvent.TAKE))
    gone_out = happened(let, tables, AFTER, *news)
    for tick in (AFTER, moment("2026-04-02")):
        gone_out = rederived(gone_out, tables, tick)
        assert [(c.charge.units, c.status) for c in gone_out.charges] == [(2, ChargeStatus.SENT)]
        assert [c.claim.frequency for c in gone_out.claims] == ["1"]
        assert "billed-elsewhere-too" in {f.kind for f in gone_out.findings}
    # What was sent whole before anybody loaded the list stays whole.
    whole = happened(run(events, over()), over(), AFTER)
    news = (SubmissionNews(whole.claims[0].claim.id, event, "202") for event in (ClaimEvent.SEND, ClaimEvent.TAKE))
    late = rederived(happened(whole, over(), AFTER, *news), tables, AFTER)
    assert [(c.charge.units, c.status) for c in late.charges] == [(5, ChargeStatus.SENT)]


def test_the_units_of_several_rows_of_the_list_are_units_of_one_line() -> None:
    events = [report("dosimetry-calc", "2026-01-05T08:00", count=5)]
    rows = [row("dosimetry", "77300", "2026-01-05", units=n, claim=f"OLD-{n}") for n in (1, 2)]
    (hold,) = run(events, over(opening=rows)).holds
    assert (hold.detail, hold.would and hold.would.units) == ("3 of 5 units were billed elsewhere before", 2)
    assert {"77300 × 1 of 2026-01-05, claim OLD-1", "77300 × 2 of 2026-01-05, claim OLD-2"} <= {
        fact.value for fact in hold.why.facts
    }
    whole = [*rows, row("dosimetry", "77300", "2026-01-05", units=4, claim="OLD-4")]
    assert back(run(events, over(opening=whole)), "billed-elsewhere") == [("2026-01-05", "77300")]
    # What a row has left over is another line's.
    twice = [report("dosimetry-calc", f"2026-01-05T{hour:02}:00", count=5, line=f"D{hour}") for hour in (8, 14)]
    assert [h.detail for h in run(twice, over(opening=whole)).holds] == [
        "",
        "2 of 5 units were billed elsewhere before",
    ]


@pytest.mark.parametrize(("part", "left"), [("26", "TC"), ("TC", "26")])
def test_a_part_that_was_billed_elsewhere_takes_that_part_of_a_line_that_bills_both(part: str, left: str) -> None:
    events = [report("dosimetry-calc", "2026-01-05T08:00", count=2)]
    (whole,) = run(events, over()).charges
    assert (whole.charge.component, whole.charge.modifiers) == (Component.GLOBAL, ())
    of_part = row("dosimetry", "77300", "2026-01-05", units=2, modifiers=(part,))
    record = run(events, over(opening=[of_part]))
    assert not due(record)
    (hold,) = record.holds
    assert (hold.code, [item.code for item in record.work]) == ("review-needed", ["review-needed"])
    assert hold.detail == f"its part {part} was billed elsewhere before: what is left is to be billed with {left}"
    assert hold.would is not None
    assert (hold.would.modifiers, hold.would.price, may_go(hold)) == ((left,), None, False), (
        "no price says that of a part"
    )
    both = [of_part, replace(of_part, modifiers=(left,))]
    assert back(run(events, over(opening=both)), "billed-elsewhere") == [("2026-01-05", "77300")]
    assert back(run(events, over(opening=both[::-1])), "billed-elsewhere") == [("2026-01-05", "77300")]
    fewer = run(events, over(opening=[of_part, replace(of_part, modifiers=(left,), units=1)]))
    assert [(h.code, may_go(h)) for h in fewer.holds] == [("review-needed", False)]
    # What was sent whole before anybody loaded the list stays whole, at its price.
    news = (
        SubmissionNews(run(events, over()).claims[0].claim.id, e, "202") for e in (ClaimEvent.SEND, ClaimEvent.TAKE)
    )
    late = rederived(happened(run(events, over()), over(), AFTER, *news), over(opening=[of_part]), AFTER)
    assert [(c.charge.modifiers, c.charge.price) for c in late.charges] == [((), whole.charge.price)]
    # A person says under which modifier the rest is billed.
    about = About.of(hold.slot, hold.why).words
    said = says(saying(Verb.BILL, (*about, ("modifier", left)), hold=hold.code))
    let = step(record, [said], over(opening=[of_part]), AFTER)
    assert [(c.charge.code, c.charge.modifiers) for c in let.charges] == [("77300", (left,))]


def test_a_part_of_one_line_and_another_part_of_another_leave_the_rest_of_each() -> None:
    """Two calculations of one day, and of one the professional, of the other the technical part billed elsewhere: which
    of them is not said, so they are those of one."""
    events = [report("dosimetry-calc", f"2026-01-05T{hour:02}:00", count=1, line=f"D{hour}") for hour in (8, 14)]
    parts = [row("dosimetry", "77300", "2026-01-05", units=1, modifiers=(part,)) for part in ("26", "TC")]
    record = run(events, over(opening=parts))
    assert len(back(record, "billed-elsewhere")) == 1
    assert len(due(record)) == 1


def test_a_row_takes_as_many_lines_as_it_has_units() -> None:
    rows = [row("delivery", "77402", "2026-01-05", units=1), row("delivery", "77402", "2026-01-05", units=1)]
    twice = [fraction("2026-01-05T09:00", 1), fraction("2026-01-05T16:00", 2)]
    whole = run(twice, over())
    one = run(twice, over(opening=rows[:1]))
    both = run(twice, over(opening=[rows[0], replace(rows[1], claim="OLD-2")]))
    assert (len(due(whole)), len(back(one)), len(back(both))) == (2, 1, 2)


# ---------------------------------------------------------------- history


def historic(events: Sequence[Event]) -> list[Event]:
    return [replace(e, facts=(*e.facts, Fact(HISTORIC, "true", e.source))) for e in events]


def test_history_is_counted_and_neither_claimed_nor_worked() -> None:
    """Three sessions of history and two new ones are one unit: it is claimed, the sessions of before are not."""
    record = run([*historic(COURSE[:3]), *COURSE[3:5], *exams(COURSE[:5])], over())
    assert {day for day, _ in back(record, "historic")} == {"2026-01-05", "2026-01-06", "2026-01-07"}
    assert ("2026-01-09", "77427") in due(record)
    only = run(historic([*COURSE, ended("2026-01-16")]), over())
    assert not due(only)
    assert not only.work
    assert not only.claims


def test_a_later_report_of_an_old_thing_is_history_too() -> None:
    old = report("fraction", "2026-01-05T09:00", line="F-1", technique="3d", modality="photon", isocenters=1, n=1)
    new = report(
        "fraction", "2026-01-05T09:00", line="F-1", said="2026-02-01", technique="3d", modality="photon", isocenters=2, n=1
    )  # fmt: skip
    record = run([*historic([old]), new], over())
    assert not due(record)
    assert len(back(record, "historic")) == 1


def test_what_history_leaves_out_is_no_work() -> None:
    lost = Omission("no-date", Source("m-1", "FT1[1]-4"))
    for old in (False, True):
        captured = Captured(PersonHint(), (), (replace(lost, historic=old),))
        record = step(PersonRecord(PERSON), [Reading("m-1", AFTER.now, captured)], over(), AFTER)
        assert bool(record.work) is not old


# ---------------------------------------------------------------- for every record

_DAYS = st.integers(0, 11).map(lambda n: date(2026, 1, 5 + n))
_ROWS = st.lists(
    st.builds(
        Live,
        entity=st.sampled_from(["", "center"]),
        payer=st.sampled_from(["", "first", "second"]),
        service=st.sampled_from(["", "delivery", "management", "radiation"]),
        live_from=st.one_of(st.none(), _DAYS),
        shadow_from=st.just(date(2026, 1, 1)),
    ),
    max_size=4,
    unique_by=lambda live: live.scope,
)


@settings(max_examples=40, deadline=None)
@given(rows=_ROWS, old=st.integers(0, 10), spent=st.lists(_DAYS, max_size=3))
def test_claimed_lines_are_the_live_ones_and_nothing_is_lost(rows: list[Live], old: int, spent: list[date]) -> None:
    events = [*historic(COURSE[:old]), *COURSE[old:], *exams(COURSE), ended("2026-01-16")]
    opening = [row("delivery", "77402", day.isoformat(), claim=str(n)) for n, day in enumerate(spent)]
    at = over(*rows, opening=opening)
    record = run(events, at)
    claimed = {id for c in record.claims for line in c.claim.lines for id in line.charges}
    assert claimed == {c.id for c in record.charges if c.status is not ChargeStatus.VOID}
    kept = {h.slot for h in record.holds if h.code in KEPT_BACK}
    assert not kept & {c.charge.slot for c in record.charges}
    assert sorted(due(record) + back(record)) == due(run(course(), over()))
    assert rederived(record, at, AFTER) == record


def test_a_message_taken_as_history_is_read_with_its_mark() -> None:
    """Its entry is another than the feed's own, so that the feed may send it too."""
    at = over()
    body = json.dumps(
        {"resourceType": "Patient", "id": "x", "identifier": [{"system": "urn:a", "value": "1"}]}
    ).encode()
    plain = receive_fhir(body, feed="ehr", path_type="", method="POST", now=AFTER.now).receipt
    assert plain is not None
    old = as_history(plain)
    assert (old.actor, plain.actor, old.digest) == ("history:ehr", "feed:ehr", plain.digest)
    assert old.channel != plain.channel
    for receipt, mark in ((plain, False), (old, True)):
        entry = JournalEntry(
            1, "e-1", receipt.kind, receipt.at, receipt.actor, receipt.media, receipt.control, receipt.digest, body
        )
        events = [event for one in read(entry, at.rules, at.site).captured for event in one.events]
        assert events
        assert {event.historic for event in events} == {mark}
