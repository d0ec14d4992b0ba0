"""From reports to things that happened: statements, identities, courses."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from adapters.charges.assemble import assemble, current, episode_id
from adapters.model.episode import Episode, Occurrence
from adapters.model.event import Event, Status
from adapters.model.why import Fact
from tests.model.clinic import PERSON, assembled, ended, exam, fraction, insured, report, sessions


def course(events: list[Event], label: str = "C1") -> Episode:
    (found,) = [e for e in assembled(events).episodes if e.label == label]
    return found


def delivered(events: list[Event], label: str = "C1") -> tuple[Occurrence, ...]:
    return course(events, label).of("fraction")


def test_the_later_statement_of_a_line_holds_whatever_arrived_first() -> None:
    old = fraction("2026-01-05T09:00", 1, line="L1", said="2026-01-05T10:00")
    new = fraction("2026-01-05T09:00", 1, line="L1", said="2026-01-05T11:00", isocenters=2)
    for events in ([old, new], [new, old]):
        latest, superseded = current(events)
        assert latest == (new,)
        assert superseded == ((old, new),)
        assert delivered(events)[0].whole("isocenters") == 2
        assert course(events).superseded == ((old, new),)


def test_of_two_statements_of_one_moment_the_content_decides() -> None:
    a = fraction("2026-01-05T09:00", 1, line="L1", said="2026-01-05T10:00", isocenters=2)
    b = fraction("2026-01-05T09:00", 1, line="L1", said="2026-01-05T10:00", isocenters=3)
    assert current([a, b])[0] == current([b, a])[0]
    assert len(current([a, b])[0]) == 1


def test_the_same_event_twice_is_one() -> None:
    event = fraction("2026-01-05T09:00", 1)
    assert current([event, event]) == ((event,), ())


def test_reports_with_one_uid_are_one_session_over_channels() -> None:
    sent = fraction("2026-01-05T09:00", 4, uid="2.25.1", said="2026-01-05T10:00")
    polled = fraction("2026-01-05T09:02", 5, uid="2.25.1", feed="ehr", said="2026-01-05T12:00")
    (session,) = delivered([sent, polled])
    assert session.key == "uid:2.25.1"
    assert session.primary == sent
    assert session.reports == (sent, polled)
    assert session.start == polled.start


def test_a_report_without_uid_joins_the_one_session_of_its_number() -> None:
    told = fraction("2026-01-05T09:00", 4, uid="2.25.1")
    bare = fraction("2026-01-05T09:00", 4, feed="ehr")
    other = fraction("2026-01-06T09:00", 5, uid="2.25.2")
    assert [o.key for o in delivered([told, bare, other])] == ["uid:2.25.1", "uid:2.25.2"]


def test_two_uids_are_two_sessions_whatever_their_number() -> None:
    one = fraction("2026-01-05T09:00", 4, uid="2.25.1")
    two = fraction("2026-01-06T09:00", 4, uid="2.25.2")
    assert len(delivered([one, two])) == 2


def test_a_bare_report_joins_the_session_of_its_day_where_two_bear_its_number() -> None:
    one = fraction("2026-01-05T09:00", 4, uid="2.25.1")
    two = fraction("2026-01-06T09:00", 4, uid="2.25.2")
    bare = fraction("2026-01-06T09:05", 4, feed="ehr")
    found = delivered([one, two, bare])
    assert [len(o.reports) for o in found] == [1, 2]


def test_a_bare_report_that_could_be_either_stays_a_session_of_its_own() -> None:
    one = fraction("2026-01-05T09:00", 4, uid="2.25.1")
    two = fraction("2026-01-06T09:00", 4, uid="2.25.2")
    bare = fraction("2026-01-07T09:00", 4, feed="ehr")
    assert len(delivered([one, two, bare])) == 3
    # Which it is nobody can tell: it waits for a person, the others do not.
    assert [o.value("times") for o in delivered([bare, two, one])] == ["", "", "unmatched"]
    told = replace(bare, facts=(*bare.facts, Fact("uid", "2.25.2", bare.source)))
    assert [(len(o.reports), o.value("times")) for o in delivered([one, two, told])] == [(1, ""), (2, "")]


def test_reports_without_uid_are_one_by_plan_and_number() -> None:
    one = fraction("2026-01-05T09:00", 4, plan="P1")
    again = fraction("2026-01-05T09:05", 4, plan="P1", feed="ehr")
    boost = fraction("2026-01-20T09:00", 4, plan="P2")
    found = delivered([one, again, boost])
    assert [(o.key, len(o.reports)) for o in found] == [("n:P1#4", 2), ("n:P2#4", 1)]


@pytest.mark.parametrize("seed", range(6))
def test_a_report_without_plan_does_not_make_one_session_of_two_plans(seed: int) -> None:
    """Plan and boost both have a first session; one more report names no plan. Two sessions were delivered, not one."""
    first = fraction("2026-01-05T09:00", 1, plan="P1")
    boost = fraction("2026-02-05T09:00", 1, plan="P2")
    bare = fraction("2026-02-05T09:03", 1, feed="ehr")
    events = [first, boost, bare]
    random.Random(seed).shuffle(events)
    found = delivered(events)
    assert [(o.value("plan"), len(o.reports)) for o in found] == [("P1", 1), ("P2", 2)]


def test_sessions_without_number_or_uid_are_told_apart_by_the_day() -> None:
    found = delivered([fraction("2026-01-05T09:00"), fraction("2026-01-05T15:30"), fraction("2026-01-06T09:00")])
    assert [o.key for o in found] == ["day:2026-01-05/1", "day:2026-01-05/2", "day:2026-01-06/1"]


def test_an_order_identifies_a_service_but_not_a_session() -> None:
    plan = report("imrt-plan", "2026-01-02T10:00", keys=("order:O1",))
    again = report("imrt-plan", "2026-01-02T11:00", keys=("order:O1",), feed="ehr")
    later = report("imrt-plan", "2026-01-12T11:00", keys=("order:O1",))
    found = course([plan, again, later]).of("imrt-plan")
    assert [(o.key, len(o.reports)) for o in found] == [("order:O1", 2), ("order:O1@2026-01-12", 1)]
    series = [fraction(f"2026-01-0{d}T09:00", d, keys=("order:S1",)) for d in (5, 6, 7)]
    assert len(delivered(series)) == 3


def test_a_withdrawn_report_is_never_the_delivered_thing() -> None:
    done = fraction("2026-01-05T09:00", 3, uid="2.25.1", line="A")
    gone = fraction("2026-01-05T08:00", 3, uid="2.25.1", line="B", status=Status.WITHDRAWN)
    episode = course([done, gone])
    assert [o.status for o in episode.occurrences] == [Status.WITHDRAWN, Status.DONE]
    assert len(episode.of("fraction")) == 1


def test_a_withdrawn_line_is_no_session_even_when_its_withdrawal_came_first() -> None:
    done = fraction("2026-01-05T09:00", 3, line="A", said="2026-01-05T10:00")
    gone = fraction("2026-01-05T09:00", 3, line="A", said="2026-01-06T10:00", status=Status.WITHDRAWN)
    assert delivered([gone, done]) == delivered([done, gone]) == ()


def test_facts_are_completed_over_channels_and_the_later_word_wins() -> None:
    first = report(
        "fraction", "2026-01-05T09:00", uid="2.25.1", technique="3d", isocenters=1, diagnosis=("C61", "C79.51")
    )
    later = report(
        "fraction",
        "2026-01-05T09:00",
        uid="2.25.1",
        feed="ehr",
        said="2026-01-05T20:00",
        isocenters=2,
        diagnosis="C61",
        guidance="cbct",
    )
    for events in ([first, later], [later, first]):
        (session,) = delivered(events)
        assert (session.value("technique"), session.whole("isocenters")) == ("3d", 2)
        assert session.values("diagnosis") == ("C61",)
        fact = session.fact("guidance")
        assert fact is not None
        assert fact.source.message == later.source.message


def test_a_course_is_told_by_what_the_report_is_part_of() -> None:
    whole = report(
        "course", "2026-01-02", course="", line="Procedure/1", reference="Procedure/1", label="C7", feed="ehr"
    )
    part = report(
        "phase", "2026-01-02", course="", line="Procedure/2", reference="Procedure/2", part_of="Procedure/1", feed="ehr"
    )
    session = fraction("2026-01-05T09:00", 1, course="", part_of="Procedure/2", feed="ehr")
    assert delivered([whole, part, session], "C7")
    elsewhere = fraction("2026-01-05T09:00", 1, course="", part_of="Procedure/2", feed="rt")
    assert not [e for e in assembled([whole, part, elsewhere]).episodes if e.label == "C7"]


def test_parts_that_name_one_another_in_a_circle_are_of_no_course() -> None:
    a = report("phase", "2026-01-02", course="", line="a", reference="P/1", part_of="P/2", feed="ehr")
    b = report("phase", "2026-01-02", course="", line="b", reference="P/2", part_of="P/1", feed="ehr")
    session = fraction("2026-01-05T09:00", 1, course="", part_of="P/1", feed="ehr")
    assert [e.kind for e in assembled([a, b, session]).episodes] == ["loose"]


def test_a_course_is_told_by_another_report_of_the_same_thing() -> None:
    named = fraction("2026-01-05T09:00", 1, uid="2.25.1", course="C2")
    bare = fraction("2026-01-05T09:00", 1, uid="2.25.1", course="", feed="ehr")
    other = fraction("2026-01-05T11:00", 1, course="C3")
    assert len(delivered([named, bare, other], "C2")[0].reports) == 2


def test_a_course_is_told_by_the_day_where_one_fits() -> None:
    first = [fraction(f"2026-01-0{d}T09:00", d, course="A") for d in (5, 9)]
    second = [fraction(f"2026-02-0{d}T09:00", d, course="B") for d in (2, 6)]
    inside = exam("2026-02-03T10:00", course="")
    between = exam("2026-01-20T10:00", course="")
    episodes = {e.label: e for e in assembled([*first, *second, inside, between]).episodes}
    assert len(episodes["B"].of("on-treatment-visit")) == 1
    assert len(episodes[""].of("on-treatment-visit")) == 1
    assert episodes[""].kind == "loose"
    assert episodes[""].id == episode_id(PERSON, "") == "p1/loose"


def test_a_course_is_told_by_being_the_only_one() -> None:
    events = [*sessions("2026-01-05", 2), exam("2026-03-01T10:00", course="")]
    (episode,) = assembled(events).episodes
    assert len(episode.of("on-treatment-visit")) == 1


def test_context_and_coded_charges_stand_apart() -> None:
    coded = report("coded-charge", "2026-01-05", code="77407", line="x", said="2026-01-05T10:00")
    again = report("coded-charge", "2026-01-05", code="77412", line="x", said="2026-01-05T11:00")
    old, new = insured(said="2026-01-01"), insured(said="2026-01-02")
    assembly = assembled([coded, again, old, new, ended("2026-01-05")])
    assert assembly.coded == {"p1/C1": (again,)}
    assert assembly.context == (new,)
    assert set(assembly.superseded) == {(coded, again), (old, new)}


def test_nothing_makes_no_episode() -> None:
    assert assemble(PERSON, []).episodes == ()
