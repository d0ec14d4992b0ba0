"""Which lanes are one person: a function of what is said, whatever order it came in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from adapters.model.event import Event
from adapters.model.merging import LANE
from adapters.model.people import Identifier
from adapters.model.record import Part, PersonRecord
from adapters.model.union import added, settled, shares, united
from adapters.model.why import Fact, Source
from adapters.pipeline.uniting import unchanged, wanted

BEGIN = datetime(2026, 1, 5, 12, tzinfo=UTC)


def lane_of(identity: Identifier) -> str:
    """Lanes of these tests are called as their numbers are."""
    return identity.value.lower() if identity.system == LANE else identity.value


def says(survivor: str, merged: str, n: int, *, scope: str = "person", by: str = "") -> Event:
    """A statement of a feed at an hour, or of a person."""
    source = Source(f"m{n}", "MRG-1")
    words = {"survivor.system": "mrn", "survivor.value": survivor, "merged.system": "mrn", "merged.value": merged}
    words |= {"verb": "unmerge" if scope == "unlink" else "merge", "by": by, "why": "x"} if by else {"scope": scope}
    facts = tuple(Fact(name, value, source) for name, value in words.items())
    said = BEGIN + timedelta(hours=n)
    kind = "decision" if by else "merge"
    return Event(f"{survivor}{merged}{n}{scope}", kind, "adt", said, said.date(), said, f"x{n}", source, facts=facts)


def born(date: str, n: int = 0) -> Event:
    """A registration at an hour."""
    source, said = Source(f"p{n}{date}", "PID"), BEGIN + timedelta(hours=n)
    facts = (Fact("birth_date", date, source),)
    return Event(f"born{date}{n}", "patient", "adt", said, said.date(), said, f"adt|{date}", source, facts=facts)


def persons(*events: Event, of: str = "abcd", also: dict[str, Event] | None = None) -> list[PersonRecord]:
    """Lanes, each by itself; what is said lies with its survivor."""
    return [
        PersonRecord(
            lane,
            events=(
                *(e for e in events if e.value("survivor.value") == lane),
                *([also[lane]] if also and lane in also else []),
            ),
        )
        for lane in of
    ]


def groups(*events: Event, ask: bool = False, also: dict[str, Event] | None = None) -> set[tuple[str, ...]]:
    return {group for group in wanted(persons(*events, also=also), lane_of, ask=ask) if len(group) > 1}


def test_the_survivor_that_was_merged_into_nobody_is_the_root() -> None:
    assert groups(says("a", "b", 1)) == {("a", "b")}
    assert groups(says("a", "b", 1), says("c", "a", 2)) == {("c", "a", "b")}
    assert groups(says("c", "a", 1), says("a", "b", 2)) == {("c", "a", "b")}
    assert groups(says("a", "b", 1), says("c", "d", 2)) == {("a", "b"), ("c", "d")}


def test_what_was_said_last_of_a_pair_holds_and_a_person_before_every_feed() -> None:
    assert groups(says("a", "b", 1), says("a", "b", 2, scope="unlink")) == set()
    assert groups(says("a", "b", 3), says("a", "b", 2, scope="unlink")) == {("a", "b")}
    assert groups(says("a", "b", 1), says("b", "a", 2)) == {("b", "a")}
    assert groups(says("a", "b", 9), says("a", "b", 2, scope="unlink", by="Wren")) == set()
    assert groups(says("a", "b", 9, scope="unlink"), says("a", "b", 2, by="Wren")) == {("a", "b")}


def test_what_cannot_be_both_waits() -> None:
    assert groups(says("a", "b", 1), says("c", "b", 2)) == {("a", "b")}
    apart = says("a", "c", 3, scope="unlink")
    assert groups(says("a", "b", 1), says("b", "c", 2), apart) == {("a", "b")}
    assert groups(says("a", "b", 1), ask=True) == set()
    assert groups(says("a", "b", 1, by="Wren"), ask=True) == {("a", "b")}


def test_birth_dates_count_as_they_were_told_by_then() -> None:
    told = {"a": born("1950-01-01"), "b": born("1960-01-01")}
    assert groups(says("a", "b", 1), also=told) == set()
    assert groups(says("a", "b", 1, by="Wren"), also=told) == {("a", "b")}
    assert groups(says("a", "b", 1), also=told | {"b": born("1960-01-01", 5)}) == {("a", "b")}
    assert groups(says("a", "b", 1), says("b", "c", 2), also={"a": told["a"], "c": told["b"]}) == {("a", "b")}


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd"), st.booleans(), st.booleans()).filter(
            lambda one: one[0] != one[1]
        ),
        min_size=1,
        max_size=5,
    )
)
def test_the_order_in_which_it_came_plays_no_part(said: list[tuple[str, str, bool, bool]]) -> None:
    events = [
        says(one, other, n, scope="unlink" if apart else "person", by="Wren" if by else "")
        for n, (one, other, apart, by) in enumerate(said)
    ]
    first = wanted(persons(*events), lane_of)
    assert sorted(lane for group in first for lane in group) == list("abcd")
    for order in list(permutations(events))[:24]:
        assert wanted(persons(*order), lane_of) == first
    for event, (one, other, _, by) in zip(events, said, strict=True):
        later = [pair for pair in said[events.index(event) + 1 :] if {pair[0], pair[1]} == {one, other}]
        if by and event.value("verb") == "unmerge" and not any(pair[3] for pair in later):
            assert not any(one in group and other in group for group in first)


def test_a_record_is_its_shares_and_back() -> None:
    one = PersonRecord("a", (Identifier("mrn", "a"),), (born("1950-01-01"), born("1950-01-01", 1)))
    other = PersonRecord("b", (Identifier("mrn", "b"),), (born("1950-01-01", 1), born("1950-01-01", 2)), root="a")
    whole = united((one, other))
    assert whole.lanes == ("a", "b")
    assert [event.id for event in whole.events] == ["born1950-01-010", "born1950-01-011", "born1950-01-012"]
    assert shares(whole) == (one, other)  # what both were told stays with both
    assert settled(whole) == whole
    assert unchanged([whole], [("a", "b")])
    assert not unchanged([whole], [("b", "a")])
    assert whole.goes_by == one.identifiers
    late = born("1950-01-01", 3)
    grown = added(
        PersonRecord("a", whole.identifiers, (*whole.events, late), parts=whole.parts), "b", Part("", (), (late.id,))
    )
    assert [share.events[-1].id for share in shares(grown)] == ["born1950-01-011", late.id]
    loose = PersonRecord("a", whole.identifiers, (*whole.events, late), parts=whole.parts)
    assert shares(loose)[0].events[-1] == late
    assert united((one,)) is one
