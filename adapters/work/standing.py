"""What stands of a person's decisions, and what it makes of the work list.

All of it follows from the decisions on file and from what is derived, whatever came first: a decision before the
messages that it concerns does what it does after them, twice is once, and one that is withdrawn leaves no trace but
itself.

A closing holds for that very trouble: an item of a hold is open again as soon as the hold says anything else (its code,
what it would bill, or a fact that it rests on, wherever it was read); any other item, as soon as its trouble is told
anew after the closing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from adapters.model.charge import Hold, Release, Slot
from adapters.model.decision import KIND, About, Decision, Saying, Verb, bill_mark, facts_mark
from adapters.model.event import Event
from adapters.model.why import Fact
from adapters.model.work import WorkItem, item_id


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands of a person's decisions."""

    sayings: tuple[Event, ...] = ()
    """Events of kind `decision` of those that are not withdrawn, in the order in which they were said."""
    withdrawn: frozenset[str] = frozenset()
    """Journal ids of those that are."""

    def of(self, *verbs: Verb) -> tuple[Event, ...]:
        """What was said with these verbs, the last one last."""
        return tuple(one for one in self.sayings if one.value("verb") in verbs)

    def line(self, *verbs: Verb, slot: Slot, hold: Hold) -> tuple[Event, ...]:
        """What was said with these verbs about a line that is held so."""
        said = [one for one in self.of(*verbs) if one.value("hold") == hold.code]
        return tuple(one for one in said if About.said(one).fits(slot, hold.why))

    def lets(self, hold: Hold) -> Event | None:
        """What lets a held line go out: the question is answered, and what would be billed is still the same.

        A line that waits, that is never payable, that would bill nothing or has no price is never let go.
        """
        if not may_go(hold):
            return None
        mark = bill_mark(hold.would)
        said = self.line(Verb.RELEASE, Verb.OVERRIDE, slot=hold.slot, hold=hold)
        return next((one for one in reversed(said) if one.value("mark") == mark), None)


def may_go(hold: Hold) -> bool:
    """Whether there is a line to let go: it asks a person, and says what it would bill at what price."""
    return hold.release is Release.PERSON and hold.would is not None and hold.would.price is not None


def standing(events: Iterable[Event]) -> Standing:
    """What stands of the decisions among a person's events."""
    said = [event for event in events if event.kind == KIND]
    if not said:
        return _NOTHING
    withdrawn = frozenset(one.value("entry") for one in said if one.value("verb") == Verb.WITHDRAW)
    left = (one for one in said if one.source.message not in withdrawn)
    return Standing(tuple(sorted(left, key=lambda one: (one.said, one.source))), withdrawn)


_NOTHING = Standing()


def facts_of(said: Event) -> tuple[Fact, ...]:
    """Who decided it and why, as facts of what follows from it."""
    return (
        Fact(f"{said.value('verb')} by", said.value("by"), said.source),
        Fact("why", said.value("why"), said.source),
    )


def about_hold(hold: Hold) -> str:
    """What an item about a held line says that it is about."""
    slot = hold.slot
    return f"{slot.episode}|{slot.service}|{slot.key}|{slot.part}"


def item_of_hold(hold: Hold) -> str:
    """The id of the item about a held line."""
    return item_id("hold", about_hold(hold), hold.code)


def decided(items: Sequence[WorkItem], holds: Iterable[Hold], stands: Standing, now: datetime) -> tuple[WorkItem, ...]:
    """The items with what stands of decisions about them: whose they are, which are closed, which are open again."""
    said = stands.of(Verb.ASSIGN, Verb.CLOSE)
    if not said and not any(item.assigned or item.closed_by for item in items):
        return tuple(items)
    held = {item_of_hold(hold): hold for hold in holds}
    return tuple(_decided(item, held, said, now) for item in items)


def _decided(item: WorkItem, held: Mapping[str, Hold], said: Sequence[Event], now: datetime) -> WorkItem:
    hold = held.get(item.id)
    mine = [one for one in said if _concerns(one, item, hold)]
    assigned = [one.value("assignee") for one in mine if one.value("verb") == Verb.ASSIGN]
    item = replace(item, assigned=assigned[-1] if assigned else "")
    if item.closed is not None and not item.closed_by:
        return item
    closings = [one for one in mine if one.value("verb") == Verb.CLOSE and _still(one, item, hold)]
    if closings:
        last = closings[-1]
        return replace(item, closed=last.said, closed_why=last.value("why"), closed_by=last.value("by"))
    return replace(item, opened=now, closed=None, closed_why="", closed_by="") if item.closed_by else item


def _concerns(said: Event, item: WorkItem, hold: Hold | None) -> bool:
    if hold is None or not said.value("hold"):
        return said.value("item") == item.id
    return said.value("hold") == hold.code and About.said(said).fits(hold.slot, hold.why)


def _still(said: Event, item: WorkItem, hold: Hold | None) -> bool:
    """Whether a closing is about the trouble as it is now."""
    if hold is not None:
        return said.value("mark") == facts_mark(hold)
    return item.opened <= said.said


def decided_alone(item: WorkItem, saying: Saying, decision: Decision) -> WorkItem:
    """An item that concerns no person, after what a person decided about it."""
    match saying.verb:
        case Verb.CLOSE if item.closed is None:
            return replace(item, closed=decision.at, closed_why=decision.why, closed_by=decision.by)
        case Verb.ASSIGN:
            return replace(item, assigned=saying.value("assignee"))
        case Verb.WITHDRAW if saying.value("undoes") == Verb.ASSIGN:
            return replace(item, assigned="")
        case Verb.WITHDRAW if saying.value("undoes") == Verb.CLOSE and item.closed_by:
            return replace(item, closed=None, closed_why="", closed_by="")
        case _:
            return item
