"""What a person knows and no feed reported: `enter FILE`, checked against what is on file before anything is written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from adapters.cli.deciding import By, Reason, decide, supervising
from adapters.cli.options import Given, refuse, taking
from adapters.explain import hold_id
from adapters.model.decision import About, Decision, Saying, Verb, saying
from adapters.model.people import PersonHint
from adapters.model.record import ChargeStatus
from adapters.wiring import Wired
from adapters.work.entered import Entered, Line, read_entered


@taking()
def enter(
    given: Given,
    file: Annotated[Path, typer.Argument(help="TOML, or JSON of the same shape: see adapters/work/README.md.")],
    by: By,
    why: Reason,
) -> None:
    """Enter what no feed reported: an event, a fact, a line that is not billed or billed otherwise."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as wrong:
        raise refuse((f"{file.name}: cannot be read ({type(wrong).__name__})",)) from None
    with given.open(writes=True) as wired:
        as_json = file.suffix.lower() == ".json"
        entered = read_entered(text, as_json=as_json, zone=ZoneInfo(wired.site.zone))
        if isinstance(entered, tuple):
            raise refuse(tuple(f"{file.name}: {problem}" for problem in entered))
        person, says, problems = _placed(wired, entered)
        if problems or person is None:
            raise refuse(tuple(f"{file.name}: {problem}" for problem in problems))
        decision = Decision(by, why, wired.clock.now(), (*entered.says, *says), person, supervising(wired, by))
        made = decide(wired, decision)
    typer.echo(f"decision {made}: {len(decision.says)} entered")


def _placed(wired: Wired, entered: Entered) -> tuple[PersonHint | None, tuple[Saying, ...], list[str]]:
    """Whom the file concerns and what it says of lines on file, or everything that does not fit what is on file."""
    problems: list[str] = []
    says: list[Saying] = []
    lanes: set[str] = set()
    if entered.lane:
        lanes.add(entered.lane)
        if entered.lane not in wired.store.lanes():
            problems.append("lane: nobody on file has it")
    for path, id in entered.events:
        found = [one.person for one in wired.store.find(id) if one.kind == "event"]
        lanes.update(found)
        if not found:
            problems.append(f"{path}: no event on file has this id")
    for line in entered.lines:
        lane, one = _line(wired, line)
        if one is None:
            problems.append(f"{line.path}.line: no charge or held line on file has this id, or it would bill nothing")
        else:
            lanes.add(lane)
            says.append(one)
    if entered.patient is not None:
        lane = wired.store.lane_of(PersonHint((entered.patient,)), "")
        if not lane:
            problems.append("patient: nobody on file has this identifier; the registration comes first")
        elif lanes - {lane}:
            problems.append("patient: what the file speaks of is another person's")
        return PersonHint((entered.patient,)), tuple(says), problems
    if len(lanes) > 1:
        problems.append("the file: it speaks of more than one person")
    if not lanes and not problems:
        problems.append("patient: is missing: nothing says whom the file is about")
    return PersonHint(lane=next(iter(lanes), "")), tuple(says), problems


def _line(wired: Wired, line: Line) -> tuple[str, Saying | None]:
    """A saying about a line by the id of its charge or held line, with whose it is; None where there is none."""
    for one in wired.store.charges():
        if one.value.id == line.id and one.value.status is not ChargeStatus.VOID:
            charge = one.value.charge
            return one.person, saying(line.verb, (*About.of(charge.slot, charge.why).words, *line.words))
    for held in wired.store.charges(held=True):
        hold = held.value
        if hold_id(hold) == line.id and (hold.would is not None or line.verb is Verb.DROP):
            return held.person, saying(line.verb, (*About.of(hold.slot, hold.why).words, *line.words))
    return "", None
