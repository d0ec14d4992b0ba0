"""Property: any record of the model, after any other record, is loaded as it was saved, to the last byte."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.model.charge import Charge, Component, Finding, Hold, Release, Skip, Slot
from adapters.model.claim import Claim, ClaimLine, ClaimOnFile, ClaimState, ClaimType, Party
from adapters.model.event import Event, Status
from adapters.model.kinds import KINDS
from adapters.model.ledger import Account, Entry, EntryLine
from adapters.model.people import Identifier
from adapters.model.record import ChargeOnFile, ChargeStatus, Due, PersonRecord
from adapters.model.remittance import Adjustment, Decision, Remittance, RemittanceLine
from adapters.model.why import Fact, RuleRef, Source, Why
from adapters.model.work import WorkItem
from adapters.store import KeyRing, codec, open_store
from adapters.store.records import same

NOW = datetime(2026, 3, 2, tzinfo=UTC)

texts = st.text(max_size=12)
words = st.text("abcdefgh0123456789-:|", max_size=10)
whole = st.integers(-(2**62), 2**62)
days = st.dates(date(1900, 1, 1), date(2100, 1, 1))
instants = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
maybe_day, maybe_instant, maybe_whole = st.none() | days, st.none() | instants, st.none() | whole
prices = st.decimals(-(10**12), 10**12, places=6) | st.decimals(0, 1000, places=2)


def few(of: st.SearchStrategy, at_least: int = 0, **more: object) -> st.SearchStrategy:
    """A short tuple."""
    return st.lists(of, min_size=at_least, max_size=3, **more).map(tuple)


sources = st.builds(Source, words, texts)
facts = st.builds(Fact, texts, texts, sources)
whys = st.builds(Why, st.builds(RuleRef, texts, texts, days, texts, texts), few(facts, 1))
slots = st.builds(Slot, texts, texts, texts, texts)
events = st.builds(
    Event, id=words, kind=st.sampled_from(sorted(KINDS)), feed=texts, start=instants, day=days, said=instants,
    line=texts, source=sources, end=maybe_instant, status=st.sampled_from(Status), course=texts, keys=few(texts),
    facts=few(facts),
)  # fmt: skip
charges = st.builds(
    Charge, slot=slots, code=texts, modifiers=few(texts), units=whole, price=st.none() | prices, start=days, end=days,
    diagnoses=few(texts), component=st.sampled_from(Component), entity=texts, why=whys, ndc=texts, rendering=texts,
    coverage=texts,
)  # fmt: skip
on_file = st.builds(ChargeOnFile, words, charges, st.sampled_from(ChargeStatus), words, st.none() | st.integers(0, 99))
holds = st.builds(Hold, slots, texts, st.sampled_from(Release), st.none() | charges, whys, st.booleans(), texts, texts)
findings = st.builds(Finding, texts, texts, whys, texts, st.none() | slots)
parties = st.builds(Party, texts, texts, texts, texts, texts)
lines = st.builds(
    ClaimLine, st.integers(1, 99), few(texts), texts, few(texts), whole, days, days, whole, few(st.integers(1, 12)),
    texts, texts, texts, texts, texts,
)  # fmt: skip
claims = st.builds(
    ClaimOnFile,
    st.builds(
        Claim, id=words, type=st.sampled_from(ClaimType), person=texts, patient_identifier=texts, entity=parties,
        payer=parties, coverage=texts, member=texts, lines=few(lines), diagnoses=few(texts), built_on=days,
        facility=parties, family=texts, given=texts, birth_date=maybe_day,
    ),
    st.sampled_from(ClaimState), texts, texts, texts, maybe_day,
)  # fmt: skip
remitted = st.builds(
    RemittanceLine, st.integers(1, 99), whole, whole, few(st.builds(Adjustment, texts, texts, whole, few(texts))),
    maybe_whole, maybe_whole, texts, texts,
)  # fmt: skip
remittances = st.builds(
    Remittance, id=words, claim=words, decision=st.sampled_from(Decision), patient=texts, lines=few(remitted),
    charge=maybe_whole, paid=maybe_whole, paid_on=maybe_day, errors=few(texts), reversal=st.booleans(), message=words,
)  # fmt: skip
items = st.builds(
    WorkItem, id=words, kind=words, code=texts, about=words, category=texts, action=texts, due=maybe_day, amount=whole,
    opened=instants, person=texts, detail=texts, assigned=texts, closed=maybe_instant, closed_why=texts,
)  # fmt: skip


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """A balanced ledger entry."""
    amounts = draw(st.lists(st.integers(-(10**14), 10**14), max_size=4))
    made = [
        EntryLine(draw(st.sampled_from(Account)), amount, draw(words), draw(st.none() | st.integers(0, 99)))
        for amount in (*amounts, -sum(amounts))
    ]
    return Entry(draw(words), draw(instants), draw(words), tuple(made), draw(words))


def distinct(of: st.SearchStrategy, key: object = lambda x: x.id) -> st.SearchStrategy:
    """A short tuple of things with ids of their own."""
    return few(of, unique_by=key)


records = st.builds(
    PersonRecord, person=st.just("p"), identifiers=distinct(st.builds(Identifier, texts, texts), lambda i: i),
    events=distinct(events), charges=distinct(on_file), holds=few(holds),
    skips=few(st.builds(Skip, texts, texts, whys)), findings=few(findings),
    claims=distinct(claims, lambda c: c.claim.id), remittances=distinct(remittances), entries=distinct(entries()),
    work=distinct(items), due=few(st.builds(Due, words, words, instants)),
)  # fmt: skip


def after_it(one: PersonRecord, other: PersonRecord) -> PersonRecord:
    """The other record as a step from the first may leave it: what is only ever added to goes on from there."""

    def on(field: str, key: object) -> tuple:
        had = getattr(one, field)
        ids = {key(x) for x in had}
        return had + tuple(x for x in getattr(other, field) if key(x) not in ids)

    return PersonRecord(
        "p", tuple(dict.fromkeys((*one.identifiers, *other.identifiers))), on("events", lambda x: x.id), other.charges,
        other.holds, other.skips, other.findings, on("claims", lambda x: x.claim.id), on("remittances", lambda x: x.id),
        on("entries", lambda x: x.id), other.work, other.due,
    )  # fmt: skip


@pytest.mark.slow
@given(records, records)
def test_saved_is_loaded(one: PersonRecord, other: PersonRecord) -> None:
    with open_store("sqlite://", KeyRing.ephemeral("x")) as store:
        store.save(PersonRecord("p"), one, tick=NOW)
        if one != PersonRecord("p"):
            store._memory.forget()
            assert same(store.load("p"), one)
        after = after_it(store.load("p"), other)
        store.save(store.load("p"), after, tick=NOW)
        store._memory.forget()
        loaded = store.load("p")
        assert same(loaded, after)
        assert loaded == after
        assert sum(store.trial_balance().values()) == 0
        assert store.verify() == ()


@given(instants)
def test_an_instant_is_the_same_as_its_number(at: datetime) -> None:
    assert codec.instant(codec.micros(at)) == at


@given(prices)
def test_a_price_keeps_its_digits(price: object) -> None:
    (back,) = codec.decode_all(codec.decoder_of(type(price)), [codec.encode(price)], "x")
    assert str(back) == str(price)
