"""Every story of ours played in shadow: the same lines, none of them claimed; and what the two codings of it come to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from adapters.cases.case import Case, read_case
from adapters.cases.story import told
from adapters.comparing import By, compare, tallies, within
from adapters.model.charge import Release
from adapters.model.claim import ClaimState
from adapters.model.live import Live
from adapters.model.record import ChargeStatus, PersonRecord, Tick
from adapters.pipeline.going_live import KEPT_BACK
from adapters.pipeline.sides import sides_of
from adapters.pipeline.step import House, rederived
from adapters.settings import rules_of

RULES = rules_of()
FILES = sorted((Path(__file__).parent / "stories").glob("*.yaml"))
LATE = Tick(datetime(2031, 1, 6, 12, tzinfo=UTC), date(2031, 1, 6))
NOT_YET = (Live(live_from=date(2099, 1, 1), place="live.0"),)


def ended(file: Path) -> tuple[PersonRecord, House]:
    """The story's person with all that was said, before anything was derived or sent; and the house."""
    case = read_case(file.read_text(encoding="utf-8"), file.name)
    assert isinstance(case, Case)
    story = told(case, RULES)
    assert not story.problems
    record = story.record
    return PersonRecord(record.person, record.identifiers, record.events), story.house


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_in_shadow_the_same_is_derived_and_nothing_leaves(file: Path) -> None:
    said, house = ended(file)
    now = replace(house, site=replace(house.site, live=()))
    then = replace(house, site=replace(house.site, live=NOT_YET))
    live, shadow = rederived(said, now, LATE), rederived(said, then, LATE)
    assert not [c for c in shadow.charges if c.status is not ChargeStatus.VOID]
    assert not [c for c in shadow.claims if c.state is not ClaimState.ABANDONED]
    assert not [item for item in shadow.work if item.kind == "hold" and item.closed is None]
    asked = [hold.slot for hold in live.holds if hold.release is Release.PERSON and not hold.instead_of]
    waits = {hold.slot for hold in shadow.holds if hold.release is Release.WAIT}
    kept = {hold.slot for hold in shadow.holds if hold.code in KEPT_BACK}
    assert kept | waits >= {charge.charge.slot for charge in live.charges} | set(asked)
    assert {hold.slot for hold in shadow.holds} == {
        *(charge.charge.slot for charge in live.charges),
        *(hold.slot for hold in live.holds),
    }


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_the_two_codings_come_to_the_same_however_far_the_site_is(file: Path) -> None:
    said, house = ended(file)
    then = replace(house, site=replace(house.site, live=NOT_YET))
    live, shadow = rederived(said, house, LATE), rederived(said, then, LATE)
    ours = compare(within(sides_of(live, house), None, None))
    theirs = compare(within(sides_of(shadow, then), None, None))
    assert ours.total == theirs.total
    assert sorted((one.pair.day, one.kind) for one in ours.unlike) == sorted(
        (one.pair.day, one.kind) for one in theirs.unlike
    )
    pairs = within(sides_of(live, house), None, None)
    assert sum(group.ours for group in tallies(pairs, By.SERVICE)) == ours.total.ours
    assert all(one.id for one in ours.unlike)
