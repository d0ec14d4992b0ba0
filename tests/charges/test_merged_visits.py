"""Two numbers of one visit, once a sender has said so: its doses are of one visit in any order."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import permutations

from adapters.charges.assemble import assemble
from adapters.model.event import Event
from adapters.model.site import Mode
from adapters.model.why import Fact, Source
from adapters.pipeline.step import family_by
from tests.charges.test_coded_visits import DAY as DAY_OF_DOSES
from tests.charges.test_coded_visits import coded, dose, due, place
from tests.model.clinic import PERSON, background, report

DAY = date(2026, 1, 5)


def told(kind: str, n: int, **facts: str) -> Event:
    """A report of the day by an invented feed."""
    source = Source(f"m{n}", "x")
    start = datetime(2026, 1, 5, 14 + n, tzinfo=UTC)
    words = tuple(Fact(name.replace("__", "."), value, source) for name, value in facts.items())
    return Event(f"e{n}", kind, "ehr", start, DAY, start, f"ehr|{n}", source, facts=words)


def test_a_merge_of_visits_makes_one_visit_of_two_numbers() -> None:
    one = told("administration", 1, visit="VN1", code="J9999", amount="10", unit="mg")
    two = told("administration", 2, visit="VN2", code="J9998", amount="20", unit="mg")
    merge = told(
        "merge", 3, scope="visit", trigger="A42", visit="VN1", merged__system="visit", merged__value="VN2",
        survivor__system="mrn", survivor__value="1",
    )  # fmt: skip
    assert {e.id for e in assemble("p", [one, two]).episodes} == {"p/visit:VN1", "p/visit:VN2"}
    for order in permutations([one, two, merge]):
        (visit,) = assemble("p", order).episodes
        assert visit.id == "p/visit:VN1"
        assert len(visit.occurrences) == 2


def told_of(start: str, end: str, visit: str | None, hcpcs: str) -> Event:
    """A chemotherapy infusion of the day, which may name its visit."""
    return dose(start, end, visit=visit, hcpcs=hcpcs)


MERGED = report(
    "merge", DAY_OF_DOSES, course="", scope="visit", trigger="A42", visit="A1", merged__system="visit",
    merged__value="V1", survivor__system="mrn", survivor__value="1",
)  # fmt: skip


def test_all_lines_of_one_visit_bear_one_number_whatever_their_reports_call_it() -> None:
    doses = [told_of("09:00", "10:00", "V1", "J9045"), told_of("10:10", "12:15", "A1", "J9171")]
    unnamed = told_of("12:30", "13:45", None, "J9201")
    found = due([*doses, unnamed, MERGED, coded("96413", visit="V1"), coded("J9201", 2)], place(Mode.ACCEPT))
    assert {(line.code, line.slot.episode, line.visit) for line in found.charges} == {
        ("96413", f"{PERSON}/visit:A1", "A1"),
        ("J9201", f"{PERSON}/visit:A1", "A1"),
    }
    found = due([*doses, unnamed, MERGED], place())
    assert {(line.slot.episode, line.visit) for line in found.charges} == {(f"{PERSON}/visit:A1", "A1")}
    assert {line.code for line in found.charges} >= {"96413", "96415", "96417"}


def test_a_coded_charge_meets_its_visit_by_the_number_that_was_merged() -> None:
    other = told_of("07:00", "08:00", "B2", "J9045")
    doses = [other, told_of("09:00", "10:00", "V1", "J9171"), told_of("10:10", "11:15", "A1", "J9201")]
    charge = coded("96417", visit="V1")
    assembly = assemble(PERSON, [*background(), *doses, charge, MERGED], family_by(place()))
    assert [episode for episode, ones in assembly.coded.items() if ones] == [f"{PERSON}/visit:A1"]
