"""What a person decides: `work show/assign/release/override/close/withdraw`; what one knows is in `cli.entering`.

Each is an entry of the journal like any message: captured into the record it concerns, looked at by every derivation, and
folded again by `rebuild`. What cannot be done is refused before anything is written, with what to do instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated

import typer

from adapters.cli.options import Json, refuse, upon_store
from adapters.cli.running import lanes_of
from adapters.explain import describer, hold_id
from adapters.explain import explain as explained
from adapters.files import show
from adapters.model import money
from adapters.model.decision import Decision, Saying, Verb
from adapters.model.journal import JournalKind
from adapters.model.question import question_words
from adapters.model.user import Role, supervises, user_name
from adapters.pipeline import settling
from adapters.pipeline.deciding import decision_of, receipt_of
from adapters.pipeline.questions import question_about
from adapters.pipeline.settling import Found
from adapters.wiring import Wired
from adapters.work import standing

EVERY = 1_000_000
"""More journal entries than one listing looks at."""


def _stated(value: str) -> str:
    text = value.strip()
    if problem := settling.reason_problem(text):
        raise typer.BadParameter(problem)
    return text


Item = Annotated[str, typer.Argument(help="Id of the work item, or of the held line (`charges --held --json`).")]
By = Annotated[str, typer.Option("--by", help="Who decides.", callback=_stated)]
Reason = Annotated[str, typer.Option("--why", help="The reason, without names of patients.", callback=_stated)]

work_app = typer.Typer(no_args_is_help=True, help="What a person decides about an item of the work list.")


def decide(wired: Wired, decision: Decision) -> str:
    """Write the decision into the journal and step what it concerns; its entry. Refuses what cannot be read again, and
    what is decided under the name of a user whose role does not allow it."""
    allowed(wired, decision.by, settling.needed(decision.says))
    entry = wired.store.receive(receipt_of(decision)).entry
    lanes_of(wired).work()
    why = next((parked.reason for parked in wired.store.parked() if parked.entry == entry), "")
    if why:
        raise refuse((f"decision {entry} is parked: {why}",))
    return entry


def allowed(wired: Wired, by: str, needed: Role) -> None:
    """Refuses what the user of this name may not do on a page either; of a name that is no user's nothing is known."""
    user = wired.store.user(user_name(by))
    if user is not None and not user.role.may(needed):
        raise refuse((f"{user.name} is a user, a {user.role}; this needs a {needed}",))


def supervising(wired: Wired, by: str) -> bool:
    """Whether a decision under this name is a supervisor's: by the role of a user, else by the site file."""
    return supervises(by, {user.name: user.role for user in wired.store.users()}, wired.site.supervisors)


def find(wired: Wired, id: str) -> Found:
    """The item of this id or of the held line of this id; refuses where there is none."""
    item = wired.store.work_item(id)
    if item is None:
        of_line = (one for one in wired.store.worklist(closed=True) if f"{one.about}|{one.code}" == id)
        item = next((one for one in of_line if one.kind == "hold"), None)
    if item is None:
        raise refuse((f"no work item has the id {id}",))
    return settling.found_of(wired.store, item)


def _decided(wired: Wired, id: str, by: str, why: str, say: Callable[[Wired, Found], Saying | str]) -> None:
    """Decide one thing about one item, and tell what the item is afterwards."""
    found = find(wired, id)
    one = say(wired, found)
    if isinstance(one, str):
        raise refuse((f"{found.item.id}: {one}",))
    now, supervisor = wired.clock.now(), supervising(wired, by)
    entry = decide(wired, settling.decision_about(found, one, by, why, now, supervisor=supervisor))
    after = wired.store.work_item(found.item.id)
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
    how = settling.let_go_by(found, wired.rules) or ""
    decisions = list(_decisions(wired, found))
    item = found.item
    question = question_about(wired.store, wired.site.asked_feeds, item.id)
    if as_json:
        more = {
            "closed": item.closed,
            "closed_by": item.closed_by or None,
            "closed_why": item.closed_why or None,
            "settled_by": how or None,
            "decisions": decisions,
            "question": None if question is None else show.question_row(question),
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
    if question is not None:
        for words in question_words(question):
            typer.echo(words)
    if why is not None:
        show.explanation(why)


def _decisions(wired: Wired, found: Found) -> Iterable[dict[str, object]]:
    """What was decided about the item, in order."""
    gone: set[str] = set()
    if found.record is not None:
        gone = set(standing(found.record.events).withdrawn)
    lines = wired.store.messages(limit=EVERY)
    entries = [line.id for line in lines if line.kind == JournalKind.DECISION]
    said = [(entry.id, decision_of(entry)) for entry in wired.store.entries(entries)]
    gone |= settling.withdrawn(decision for _, decision in said)
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

    _decided(wired, id, by, why, lambda _, found: settling.assigning(found, _stated(to) if to else by))


@work_app.command("close")
@upon_store(writes=True)
def close(wired: Wired, id: Item, by: By, why: Reason) -> None:
    """Close an item although its cause is still there. It opens again when what it says changes, or is told anew."""

    _decided(wired, id, by, why, lambda _, found: settling.closing(found))


@work_app.command("release")
@upon_store(writes=True)
def release(wired: Wired, id: Item, by: By, why: Reason) -> None:
    """Answer the question that a hold asks: the line goes out, as long as it would bill the same."""
    _decided(wired, id, by, why, lambda wired, found: _letting(wired, found, Verb.RELEASE, by))


@work_app.command("override")
@upon_store(writes=True)
def override(wired: Wired, id: Item, by: By, why: Reason) -> None:
    """Let a line go that an edit holds; for supervisors: by the role of a user, else by the site file."""
    _decided(wired, id, by, why, lambda wired, found: _letting(wired, found, Verb.OVERRIDE, by))


def _letting(wired: Wired, found: Found, verb: Verb, by: str) -> Saying | str:
    """The saying that lets a line go, or a sentence that says why not."""
    return settling.letting(found, verb, wired.rules, supervisor=supervising(wired, by))


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
    says = settling.withdrawing(entry, earlier)
    if isinstance(says, str):
        raise refuse((f"{entry}: {says}",))
    made = decide(wired, Decision(by, why, wired.clock.now(), says, earlier.person, supervising(wired, by)))
    typer.echo(f"decision {made}: withdraw {entry}")
