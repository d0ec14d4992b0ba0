"""What a finding of the month may go back to: a fault of the same person, on its day, in its week or in its course."""

from __future__ import annotations

from datetime import date

import pytest

from adapters.demo.month_check import Sighting, _fits, _follows
from fhir_server_stub.month_faults import Fault, FaultKind

MONDAY, FRIDAY, NEXT = date(2026, 3, 2), date(2026, 3, 6), date(2026, 3, 9)


def fault(kind: FaultKind) -> Fault:
    return Fault(f"{kind}-1", kind, "M-1", MONDAY, "key")


def seen(name: str, day: date | None = MONDAY, mrn: str = "M-1", about: str = "x") -> Sighting:
    return Sighting(name, mrn, day, about, "")


@pytest.mark.parametrize(
    ("kind", "name", "day", "follows"),
    [
        ("missed", "detector:fraction-uncharged", MONDAY, True),
        ("missed", "detector:fraction-uncharged", FRIDAY, False),
        ("missed", "detector:level-mismatch", MONDAY, False),
        ("undocumented", "not-claimed", FRIDAY, True),
        ("undocumented", "not-claimed", NEXT, False),
        ("late", "late", NEXT, True),
        ("lost-answer", "not-claimed", MONDAY, False),
    ],
)
def test_what_follows_from_a_fault_is_within_its_reach(kind: FaultKind, name: str, day: date, follows: bool) -> None:
    assert _follows(seen(name, day), fault(kind)) is follows
    assert not _follows(seen(name, day, mrn="M-2"), fault(kind)), "of another person"


def test_a_fault_is_seen_at_its_person_on_its_day() -> None:
    missed = fault("missed")
    assert _fits(seen("not-coded"), missed)
    assert not _fits(seen("not-coded", FRIDAY), missed)
    assert not _fits(seen("not-coded", mrn="M-2"), missed)
    assert not _fits(seen("lost-answer", about=""), Fault("lost-1", "lost-answer", "", None, "")), "no claim is known"
