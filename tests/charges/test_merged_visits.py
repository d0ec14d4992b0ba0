"""Two numbers of one visit, once a sender has said so: its doses are of one visit in any order."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import permutations

from adapters.charges.assemble import assemble
from adapters.model.event import Event
from adapters.model.why import Fact, Source

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
