"""What a person decides: `work show/assign/release/override/close/withdraw`; what one knows is in `cli.entering`.

Each is an entry of the journal like any message: captured into the record it concerns, looked at by every derivation, and
folded again by `rebuild`. What cannot be done is refused before anything is written, with what to do instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated

import typer

from adapters.cli.options import Json, refuse, upon_store
from adapters.cli.running import lanes_of
from adapters.explain import describer, hold_id
from adapters.explain import explain as explained
from adapters.files import show
from adapters.model import money
from adapters.model.charge import Hold, Release
from adapters.model.decision import About, Decision, Saying, Verb, bill_mark, facts_mark, saying
from adapters.model.journal import JournalKind
from adapters.model.people import PersonHint
from adapters.model.record import PersonRecord
from adapters.model.work import WorkItem
from adapters.pipeline.afterwards import REJECTED
from adapters.pipeline.deciding import decision_of, receipt_of
from adapters.wiring import Wired
from adapters.work import REVIEW, item_of_hold, may_go, standing

EVERY = 1_000_000
"""More journal entries than one listing looks at."""
LONGEST = 500
"""Characters that a reason may have."""


def _stated(value: str) -> str:
    text = value.strip()
    if not text or len(text) > LONGEST or any(ord(letter) < ord(" ") for letter in text):
        raise typer.BadParameter(f"1 to {LONGEST} characters on one line")
    return text


Item = Annotated[str, typer.Argument(help="Id of the work item, or of the held line (`charges --held --json`).")]
By = Annotated[str, typer.Option("--by", help="Who decides.", callback=_stated)]
Reason = Annotated[str, typer.Option("--why", help="The reason, without names of patients.", callback=_stated)]

work_app = typer.Typer(no_args_is_help=True, help="What a person decides about an item of the work list.")


def decide(wired: Wired, decision: Decision) -> str:
    """Write the decision into the journal and step what it concerns; its entry. Refuses what cannot be read again."""
    entry = wired.store.receive(receipt_of(decision)).entry
    lanes_of(wired).work()
    why = next((parked.reason for parked in wired.store.parked() if parked.entry == entry), "")
    if why:
        raise refuse((f"decision {entry} is parked: {why}",))
    return entry


@dataclass(frozen=True, slots=True)
class Found:
    """An item, and where it is the item of a held line, that line."""

    item: WorkItem
    hold: Hold | None = None
    record: PersonRecord | None = None


def find(wired: Wired, id: str) -> Found:
    """The item of this id or of the held line of this id; refuses where there is none."""
    for item in wired.store.worklist(closed=True):
        if item.id == id or (item.kind == "hold" and f"{item.about}|{item.code}" == id):
            record = wired.store.load(item.person) if item.person else None
            holds = record.holds if record else ()
            hold = next((hold for hold in holds if item_of_hold(hold) == item.id), None)
            return Found(item, hold, record)
    raise refuse((f"no work item has the id {id}",))


def _about(found: Found) -> tuple[tuple[str, str], ...]:
    """The words by which the item of a held line is found again, whatever becomes of its slot; else its id."""
    if found.hold is None:
        return (("item", found.item.id),)
    return (("item", found.item.id), ("hold", found.hold.code), *About.of(found.hold.slot, found.hold.why).words)


def _decided(wired: Wired, id: str, by: str, why: str, say: Callable[[Wired, Found], Saying]) -> None:
    """Decide one thing about one item, and tell what the item is afterwards."""
    found = find(wired, id)
    one = say(wired, found)
    person = PersonHint(lane=found.item.person)
    entry = decide(wired, Decision(by, why, wired.clock.now(), (one,), person, by in wired.site.supervisors))
    after = next((item for item in wired.store.worklist(closed=True) if item.id == found.item.id), None)
    state = "gone" if after is None else "open" if after.closed is None else "closed"
    typer.echo(f"decision {entry}: {one.verb.value}; the item is {state}")


@work_app.command("show")
@upon_store()
def show_item(wired: Wired, id: Item, as_json: Json = False) -> None:
    """The item, what it is about and why, who may settle it how, and what was decided about it."""
    found = find(wired, id)
    describe = describer(wired.store.messages(limit=EVERY))
    why = None
    if found.hold is not None and found.record is not None:
        why = explained(found.record, hold_id(found.hold), wired.rules, describe)
    how = _settled_by(wired, found)
    decisions = list(_decisions(wired, found))
    item = found.item
    if as_json:
        more = {
            "closed": item.closed,
            "closed_by": item.closed_by or None,
            "closed_why": item.closed_why or None,
            "settled_by": how or None,
            "decisions": decisions,
            "explanation": None if why is None else show.explanation_row(why),
        }
        show.json_lines([{**show.work_row(item), **more}])
        return
    amount = f", ${money.text(item.amount)}" if item.amount else ""
    typer.echo(f"{item.kind} {item.code}{amount}: {item.detail or item.action}")
    typer.echo(f"next: {item.action}" + (f" (work {how})" if how else ""))
    if item.assigned:
        typer.echo(f"assigned to {item.assigned}")
    if item.closed is not None:
        typer.echo(
            f"closed {item.closed:%Y-%m-%d}: {item.closed_why}" + (f", {item.closed_by}" if item.closed_by else "")
        )
    for one in decisions:
        gone = ", withdrawn" if one["withdrawn"] else ""
        typer.echo(f"decision {one['entry']}: {one['verb']} by {one['by']}, {one['why']}{gone}")
    if why is not None:
        show.explanation(why)


def _settled_by(wired: Wired, found: Found) -> str:
    """`release` or `override` where a person may let the line or the claim go."""
    if found.item.code == REVIEW or found.item.kind == "refused-claim":
        return Verb.RELEASE.value
    return wired.rules.hold(found.hold.code).let_go if found.hold is not None and may_go(found.hold) else ""


def _decisions(wired: Wired, found: Found) -> Iterable[dict[str, object]]:
    """What was decided about the item, in order."""
    gone: set[str] = set()
    if found.record is not None:
        gone = set(standing(found.record.events).withdrawn)
    lines = wired.store.messages(limit=EVERY)
    entries = [line.id for line in lines if line.kind == JournalKind.DECISION]
    said = [(entry.id, decision_of(entry)) for entry in wired.store.entries(entries)]
    for _, decision in said:
        gone |= {one.value("entry") for one in decision.says if one.verb is Verb.WITHDRAW}
    for id, decision in said:
        for one in decision.says:
            if one.value("item") == found.item.id and one.verb is not Verb.WITHDRAW:
                yield {
                    "entry": id,
                    "verb": one.verb.value,
                    "by": decision.by,
                    "why": decision.why,
                    "at": decision.at,
                    "withdrawn": id in gone,
                }


@work_app.command("assign")
@upon_store(writes=True)
def assign(
    wired: Wired,
    id: Item,
    by: By,
    why: Reason,
    to: Annotated[str, typer.Option("--to", help="Whose it is; who decides, if not said.")] = "",
) -> None:
    """Make an item somebody's."""

    def say(_: Wired, found: Found) -> Saying:
        return saying(Verb.ASSIGN, _about(found), assignee=_stated(to) if to else by)

    _decided(wired, id, by, why, say)


@work_app.command("close")
@upon_store(writes=True)
def close(wired: Wired, id: Item, by: By, why: Reason) -> None:
    """Close an item although its cause is still there. It opens again when what it says changes, or is told anew."""

    def say(_: Wired, found: Found) -> Saying:
        if found.item.closed is not None:
            raise refuse((f"{id}: it is closed already ({found.item.closed_why})",))
        mark = facts_mark(found.hold) if found.hold is not None else ""
        return saying(Verb.CLOSE, _about(found), mark=mark)

    _decided(wired, id, by, why, say)


@work_app.command("release")
@upon_store(writes=True)
def release(wired: Wired, id: Item, by: By, why: Reason) -> None:
    """Answer the question that a hold asks: the line goes out, as long as it would bill the same."""
    _decided(wired, id, by, why, lambda wired, found: _letting(wired, found, Verb.RELEASE, by))


@work_app.command("override")
@upon_store(writes=True)
def override(wired: Wired, id: Item, by: By, why: Reason) -> None:
    """Let a line go that an edit holds; for the supervisors that the site file names."""
    _decided(wired, id, by, why, lambda wired, found: _letting(wired, found, Verb.OVERRIDE, by))


def _letting(wired: Wired, found: Found, verb: Verb, by: str) -> Saying:
    """The saying that lets a line go, or a refusal that says why not."""
    hold = found.hold
    if hold is None and found.item.code == REVIEW and verb is Verb.RELEASE:
        return saying(verb, _about(found), hold=REVIEW, mark=found.item.about)
    if hold is None and found.item.kind == "refused-claim" and verb is Verb.RELEASE:
        return saying(verb, _about(found), hold=REJECTED, mark=found.item.about)
    if hold is None:
        raise refuse((f"{found.item.id}: it holds no line; close it, or do its next step: {found.item.action}",))
    if problem := letting_problem(wired, hold, verb, by):
        raise refuse((f"{found.item.id}: {problem}",))
    return saying(verb, _about(found), mark=bill_mark(hold.would))


def letting_problem(wired: Wired, hold: Hold, verb: Verb, by: str) -> str:
    """Why this person may not let this line go so, with what to do instead; empty where it may be."""
    spec = wired.rules.hold(hold.code)
    if hold.release is Release.NEVER:
        return f"{hold.code}: it is never payable, nobody can let it go ({spec.words})"
    if hold.release is Release.WAIT:
        return f"{hold.code}: nobody has to act, it waits: {spec.next_step}"
    if not spec.let_go:
        return f"{hold.code}: nothing to let go before the facts are there: {spec.next_step}"
    if spec.let_go == "override" and verb is Verb.RELEASE:
        return f"{hold.code}: an edit holds it, a supervisor overrides it: oncoclaims work override"
    if spec.let_go == "release" and verb is Verb.OVERRIDE:
        return f"{hold.code}: no edit holds it, it is released: oncoclaims work release"
    if hold.would is None or hold.would.price is None:
        return f"{hold.code}: it is not known what it would bill: {spec.next_step}"
    if verb is Verb.OVERRIDE and by not in wired.site.supervisors:
        return "override is for supervisors, and the site file (supervisors) does not name this person"
    return ""


@work_app.command("withdraw")
@upon_store(writes=True)
def withdraw(
    wired: Wired,
    entry: Annotated[
        str, typer.Argument(help="Id of the decision: the command that made it told it, `work show` does.")
    ],
    by: By,
    why: Reason,
) -> None:
    """Take back a decision, or what was entered: from now on everything is as if it had not been said."""
    known = wired.store.entry(entry)
    if known is None or known.kind is not JournalKind.DECISION:
        raise refuse((f"no decision has the id {entry}",))
    earlier = decision_of(known)
    if any(one.verb is Verb.WITHDRAW for one in earlier.says):
        raise refuse((f"{entry}: it withdraws another; decide that anew instead",))
    undone = dict.fromkeys((one.verb.value, one.value("item")) for one in earlier.says)
    says = tuple(saying(Verb.WITHDRAW, entry=entry, undoes=verb, item=item) for verb, item in undone)
    made = decide(wired, Decision(by, why, wired.clock.now(), says, earlier.person, by in wired.site.supervisors))
    typer.echo(f"decision {made}: withdraw {entry}")
