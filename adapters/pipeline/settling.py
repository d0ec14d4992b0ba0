"""What a person may do about an item of the work list, and what is said when it is done: for commands and pages alike.

Nothing here writes. What cannot be done is told as a sentence that says what to do instead; what can is a `Saying` with
the state before and after in it, so that the journal tells both.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from adapters.model.charge import Hold, Release
from adapters.model.decision import KIND, About, Decision, Saying, Verb, bill_mark, facts_mark, saying
from adapters.model.people import PersonHint
from adapters.model.record import PersonRecord
from adapters.model.user import Role
from adapters.model.work import WorkItem
from adapters.pipeline.afterwards import REJECTED
from adapters.rules import Ruleset
from adapters.work import REVIEW, item_of_hold, may_go, standing

LONGEST = 500
"""Characters that a reason may have."""
_LINES = frozenset({"Cc", "Zl", "Zp"})
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Letters that make what stands after them read in another order than it is written (Unicode Technical Report 36, 2.7)."""


_SUPERVISED = frozenset({Verb.OVERRIDE, Verb.WITHDRAW, Verb.BILL, Verb.VOID, Verb.MERGE, Verb.UNMERGE})
"""What goes over the rules or is hard to undo."""


class ItemStore(Protocol):
    """The store as items are found in it."""

    def work_item(self, id: str) -> WorkItem | None:
        """The work item of this id, open or closed."""
        ...

    def load(self, person: str) -> PersonRecord:
        """The person's record."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """An item, and where it is the item of a held line, that line."""

    item: WorkItem
    hold: Hold | None = None
    record: PersonRecord | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What was decided about an item."""

    entry: str
    verb: str
    by: str
    why: str
    at: datetime
    withdrawn: bool


def found(store: ItemStore, id: str) -> Found | None:
    """The item of this id with what it is about; None where there is none. Raises `StoreDown`."""
    item = store.work_item(id)
    return None if item is None else found_of(store, item)


def found_of(store: ItemStore, item: WorkItem) -> Found:
    """An item with what it is about."""
    record = store.load(item.person) if item.person else None
    holds = record.holds if record else ()
    return Found(item, next((hold for hold in holds if item_of_hold(hold) == item.id), None), record)


def needed(says: Iterable[Saying]) -> Role:
    """The role that a user must have to say so, on a page and by a command alike."""
    return Role.SUPERVISOR if any(one.verb in _SUPERVISED for one in says) else Role.BILLER


def reason_problem(text: str) -> str:
    """What is wrong with a reason; empty for one that may be kept."""
    odd = any(unicodedata.category(letter) in _LINES or letter in _TURNS for letter in text)
    if not text or len(text) > LONGEST or odd:
        return f"1 to {LONGEST} characters on one line"
    return ""


def decision_about(found: Found, one: Saying, by: str, why: str, at: datetime, *, supervisor: bool) -> Decision:
    """The decision that says one thing about an item."""
    return Decision(by, why, at, (one,), PersonHint(lane=found.item.person), supervisor)


def about(found: Found) -> tuple[tuple[str, str], ...]:
    """The words by which the item of a held line is found again, whatever becomes of its slot; else its id."""
    words = (("item", found.item.id), ("before", _state(found.item)))
    if found.hold is None:
        return words
    return (*words, ("hold", found.hold.code), *About.of(found.hold.slot, found.hold.why).words)


def seen_mark(found: Found) -> str:
    """A mark of the item and its line as they stand, whoever has it: what was agreed to upon one is not done upon another."""
    hold = found.hold
    line = (facts_mark(hold), str(hold.would and hold.would.amount)) if hold is not None else ()
    said = "\x1f".join((repr(replace(found.item, assigned="")), *line))
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def assigning(found: Found, to: str) -> Saying:
    """The item is somebody's."""
    return saying(Verb.ASSIGN, about(found), assignee=to, after=f"assigned to {to}")


def closing(found: Found) -> Saying | str:
    """The item is done with although its cause is there, or why it cannot be."""
    if found.item.closed is not None:
        return f"it is closed already ({found.item.closed_why})"
    mark = facts_mark(found.hold) if found.hold is not None else ""
    return saying(Verb.CLOSE, about(found), mark=mark, after="closed")


def letting(found: Found, verb: Verb, rules: Ruleset, *, supervisor: bool) -> Saying | str:
    """The line, or the claim, goes out; or why it cannot, with what to do instead."""
    hold = found.hold
    if hold is None and found.item.code == REVIEW and verb is Verb.RELEASE:
        return saying(verb, about(found), hold=REVIEW, mark=found.item.about, after="the correction leaves")
    if hold is None and found.item.kind == "refused-claim" and verb is Verb.RELEASE:
        return saying(verb, about(found), hold=REJECTED, mark=found.item.about, after="the claim is sent again")
    if hold is None:
        return f"it holds no line; close it, or do its next step: {found.item.action}"
    if problem := letting_problem(rules, hold, verb, supervisor=supervisor):
        return problem
    return saying(verb, about(found), mark=bill_mark(hold.would), after=_going(hold))


def letting_problem(rules: Ruleset, hold: Hold, verb: Verb, *, supervisor: bool) -> str:
    """Why this person may not let this line go so, with what to do instead; empty where it may be."""
    spec = rules.hold(hold.code)
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
    if verb is Verb.OVERRIDE and not supervisor:
        return (
            "override is for supervisors: no user of this name has that role, and the site file (supervisors) does not "
            "name this person"
        )
    return ""


def let_go_by(found: Found, rules: Ruleset) -> Verb | None:
    """`release` or `override` where a person may let the line or the claim go."""
    if found.item.code == REVIEW or found.item.kind == "refused-claim":
        return Verb.RELEASE
    if found.hold is None or not may_go(found.hold):
        return None
    let_go = rules.hold(found.hold.code).let_go
    return Verb(let_go) if let_go else None


def withdrawing(entry: str, earlier: Decision) -> tuple[Saying, ...] | str:
    """Nothing that an earlier decision says holds any more, or why it cannot be taken back."""
    if any(one.verb is Verb.WITHDRAW for one in earlier.says):
        return "it withdraws another; decide that anew instead"
    undone = dict.fromkeys((one.verb.value, one.value("item")) for one in earlier.says)
    return tuple(saying(Verb.WITHDRAW, entry=entry, undoes=verb, item=item) for verb, item in undone)


def said_about(found: Found) -> tuple[Said, ...]:
    """What was decided about an item of a person, in order; nothing for an item of nobody, whose record has none."""
    if found.record is None:
        return ()
    gone = standing(found.record.events).withdrawn
    said = (
        one
        for one in found.record.events
        if one.kind == KIND and one.value("item") == found.item.id and one.value("verb") != Verb.WITHDRAW
    )
    return tuple(
        Said(
            one.source.message,
            one.value("verb"),
            one.value("by"),
            one.value("why"),
            one.said,
            one.source.message in gone,
        )
        for one in sorted(said, key=lambda one: (one.said, one.source))
    )


def withdrawn(decisions: Iterable[Decision]) -> frozenset[str]:
    """The entries that these decisions take back."""
    return frozenset(one.value("entry") for said in decisions for one in said.says if one.verb is Verb.WITHDRAW)


def _state(item: WorkItem) -> str:
    state = "open" if item.closed is None else "closed"
    return f"{state}, assigned to {item.assigned}" if item.assigned else state


def _going(hold: Hold) -> str:
    would = hold.would
    return "" if would is None else f"goes out as {'-'.join((would.code, *would.modifiers))} x {would.units}"
