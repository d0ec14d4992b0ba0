"""The two claims of one event: they say the same day and units, and where they part it is remarked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from adapters.claims.sides import sides
from adapters.model.charge import Charge
from adapters.model.claim import ClaimOnFile, ClaimState, ClaimType
from adapters.model.record import PersonRecord
from adapters.model.why import RuleRef
from tests.model.clinic import background, fed, fraction, house, moment, report

AT = house("hospital")
REF: RuleRef


def billed() -> PersonRecord:
    """A planning of which each side bills its part."""
    events = [report("simulation", "2026-02-02T09:00", complexity="complex"), fraction("2026-02-03T09:00", 1)]
    return fed([*background(), *events], AT, moment("2026-03-02"))


RECORD = billed()
BY_ID: dict[str, Charge] = {c.id: c.charge for c in RECORD.charges}
REF = RECORD.charges[0].charge.why.rule


def changed(record: PersonRecord, **line: object) -> list[ClaimOnFile]:
    """The claims, the physicians' saying something else of each line."""
    return [
        replace(c, claim=replace(c.claim, lines=tuple(replace(one, **line) for one in c.claim.lines)))  # type: ignore[arg-type]
        if c.claim.type is ClaimType.PROFESSIONAL
        else c
        for c in record.claims
    ]


def test_both_sides_of_an_event_agree_as_they_are_derived() -> None:
    assert {c.claim.type for c in RECORD.claims} == set(ClaimType)
    shared = [
        {(x.slot.service, x.slot.key) for x in BY_ID.values() if x.entity == e} for e in ("hospital", "physicians")
    ]
    assert shared[0] & shared[1]
    assert sides(RECORD.claims, BY_ID, REF) == ()
    assert "sides-differ" not in {f.kind for f in RECORD.findings}


def test_other_units_or_another_day_are_remarked_with_both_sides() -> None:
    (finding,) = sides(changed(RECORD, units=2), BY_ID, REF)
    assert finding.kind == "sides-differ"
    assert finding.value == "institutional 1 on 2026-02-02; professional 2 on 2026-02-02"
    assert finding.slot is not None
    assert finding.slot.service == "simulation"
    later = BY_ID[RECORD.claims[0].claim.lines[0].charges[0]].start + timedelta(days=1)
    assert len(sides(changed(RECORD, start=later), BY_ID, REF)) == 1


def test_a_claim_that_is_no_more_is_not_asked() -> None:
    gone = [replace(c, state=ClaimState.REPLACED) for c in changed(RECORD, units=2)]
    assert sides(gone, BY_ID, REF) == ()
    voids = [replace(c, claim=replace(c.claim, frequency="8")) for c in changed(RECORD, units=2)]
    assert sides(voids, BY_ID, REF) == ()
