"""One step of one lane against the store: load, step, save in one transaction; what breaks a step is found and parked.

Whoever steps a lane holds it (`LaneQueue.held`).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from adapters.errors import StoreDown
from adapters.model.decision import Decision
from adapters.model.journal import JournalEntry
from adapters.model.merging import waiting as waiting_merges
from adapters.model.people import PersonHint
from adapters.model.record import Parked, PersonRecord, Tick
from adapters.model.work import open_item
from adapters.pipeline import House, ReadEntry, read, step
from adapters.pipeline.admit import REFUSALS
from adapters.pipeline.remitting import NOT_FETCHED
from adapters.pipeline.step import identities
from adapters.posting import UNBALANCED, UNMATCHED
from adapters.serve.logs import log
from adapters.serve.waits import Waiting, feed_name, is_here, said_of, speaks_of_others, without
from adapters.serve.wired import LaneStore
from adapters.store import Share, Stale, Stepped
from adapters.work import decided_alone

T = TypeVar("T")

PERSON_UNKNOWN: Final = "person-unknown"
PERSON_AMBIGUOUS: Final = "person-ambiguous"
_ACTIONS: Final = {
    PERSON_AMBIGUOUS: "compare the records of these numbers: `merge` them if they are of one person, and `replay` this; else "
    "have the sender mend the number and send it again",
    PERSON_UNKNOWN: "send the patient's registration; the message is then read by itself",
    UNMATCHED: "match",
    UNBALANCED: "repair-response",
    NOT_FETCHED: "ask the payer for the answers that it told of, `remit` them, and close this",
    "exception": "report the fault of the program; read the message again when it is mended",
}
_MEND: Final = "mend what the reason names, then read the message again"
_SENT_AGAIN: Final = frozenset(reason for reason, _ in REFUSALS.values())
"""Reasons of what was refused at the door: its sender keeps it, and sends it again when it was mended here or there."""
_RESEND: Final = "mend what the reason names, at the sender or in the site file, and have the message sent again"
_REMEMBERED: Final = 500
"""Entries that were sorted here and whose lanes have not been worked yet, kept as they were read."""
_COLLISIONS: Final = 20
"""Times in a row that another writer in the same lane may spoil a step before it is taken for a fault."""


class Stepping:
    """Steps lanes of one store; `exchange` puts other rules into force between two steps."""

    def __init__(self, store: LaneStore, house: House) -> None:
        self.store = store
        self.house = house
        self.steps = 0
        """Steps saved since the start."""
        self.parked: set[str] = set()
        """Entries parked since somebody emptied it; whoever sorts does so at the beginning of a round."""
        self.unsettled: set[str] = set()
        """Lanes stepped here whose record speaks of other lanes, since somebody looked (`serve.uniting`)."""
        self._free = threading.Condition()
        self._inside = 0
        self._known: OrderedDict[str, tuple[ReadEntry, frozenset[Share]]] = OrderedDict()

    # ------------------------------------------------------------ the house in force

    @contextmanager
    def one_house(self) -> Iterator[None]:
        """Within it the house stays what it is."""
        with self._free:
            self._inside += 1
        try:
            yield
        finally:
            with self._free:
                self._inside -= 1
                self._free.notify_all()

    def exchange(self, house: House) -> None:
        """Put another house into force, once every step that has begun has ended."""
        with self._free:
            self._free.wait_for(lambda: self._inside == 0)
            self.house = house
            self._known.clear()

    def tick(self, now: datetime) -> Tick:
        """The instant with the site's date of it."""
        return Tick(now, now.astimezone(ZoneInfo(self.house.site.zone)).date())

    # ------------------------------------------------------------ reading

    def read(self, entry: JournalEntry) -> ReadEntry:
        """What an entry says; one that cannot be read is given back parked."""
        try:
            return read(entry, self.house.rules, self.house.site)
        except StoreDown:
            raise
        except Exception as error:  # noqa: BLE001  # whatever a message breaks, only this message waits for it
            return ReadEntry(entry, parked=Parked(entry.id, "exception", type(error).__name__))

    def remember(self, found: ReadEntry, shares: Iterable[Share]) -> None:
        """Keep an entry as it was read and sorted by the house in force, for the lanes in which it waits now."""
        with self._free:
            self._known[found.entry.id] = (found, frozenset(shares))
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)

    def waiting(self, person: str) -> tuple[list[Waiting], bool]:
        """All that waits in a lane on file, as its step reads it; and whether an entry of it is to be sorted again.

        That is one which says something else by the house now in force than when it was sorted, or of somebody else:
        it waits nowhere then, and is unread.
        """
        lanes = self.store.lanes_of(person)
        return self.waiting_of([lanes])[lanes[0]]

    def waiting_of(self, persons: Sequence[tuple[str, ...]]) -> dict[str, tuple[list[Waiting], bool]]:
        """The same of several persons, by their roots; a person is all of its lanes."""
        of_lane = self.store.waiting_in([lane for lanes in persons for lane in lanes])
        of_person = {lanes: [share for lane in lanes for share in of_lane.get(lane, ())] for lanes in persons}
        entries = dict.fromkeys(share.entry for shares in of_person.values() for share in shares)
        with self._free:
            kept = {id: self._known[id] for id in entries if id in self._known}
        known = {id: found for id, (found, _) in kept.items()}
        missing = [id for id in entries if id not in known]
        if missing:
            known |= {entry.id: self.read(entry) for entry in self.store.entries(missing)}
        whose = self.persons_of(known.values())
        return {
            lanes[0]: self._as_it_waits(lanes, sorted(shares, key=lambda share: share.seq), known, kept, whose)
            for lanes, shares in of_person.items()
        }

    def _as_it_waits(
        self,
        person: tuple[str, ...],
        shares: Sequence[Share],
        known: Mapping[str, ReadEntry],
        kept: Mapping[str, tuple[ReadEntry, frozenset[Share]]],
        whose: Mapping[str, str],
    ) -> tuple[list[Waiting], bool]:
        lanes: dict[tuple[PersonHint, str], str] = {}
        found: list[Waiting] = []
        stray = False
        for id, those in groupby(shares, key=lambda share: share.entry):
            mine = list(those)
            ours = id in kept and kept[id][1].issuperset(mine)
            if is_here(known[id], person, whose) and (
                ours or all(self._as_sorted(known[id], share, lanes) for share in mine)
            ):
                # What one entry says in several lanes of the person is one thing to be taken.
                said = [reading for share in mine for reading in said_of(known[id], share, person[0])]
                found.append(Waiting(id, tuple(said), sorted=True))
            else:
                self.store.unsort(id)
                stray = True
        return found, stray

    def persons_of(self, entries: Iterable[ReadEntry]) -> dict[str, str]:
        """The lanes now of the claims that these entries bring news of."""
        return self.store.persons_of_claims(found.news.claim for found in entries if found.news is not None)

    def _as_sorted(self, found: ReadEntry, share: Share, lanes: dict[tuple[PersonHint, str], str]) -> bool:
        """Whether an entry that somebody else sorted says of this lane what its share says, and as much in all.

        So what its lanes find right is all that there is. `lanes` are those asked for already, by person and feed.
        """
        if found.parked is not None:
            return False
        feed = feed_name(found.entry)
        concerned = [(part, one.person) for part, one in enumerate(found.captured) if one.person.known]
        for _, hint in concerned:
            if (hint, feed) not in lanes:
                lanes[hint, feed] = self.store.lane_of(hint, feed)
        mine = tuple(part for part, hint in concerned if lanes[hint, feed] == share.person)
        return mine == share.parts and len(concerned) == share.captured

    def park(self, parked: Parked, now: datetime) -> None:
        """Set an entry aside with its reason and a work item."""
        answer = parked.reason in (UNMATCHED, UNBALANCED)
        item = open_item(
            parked.reason if answer else "parked-message",
            parked.reason,
            parked.entry,
            category="posting" if answer else "intake",
            action=_ACTIONS.get(parked.reason, _RESEND if parked.reason in _SENT_AGAIN else _MEND),
            opened=now,
            amount=parked.amount,
            detail=parked.detail,
        )
        self.store.park(parked, item)
        self.parked.add(parked.entry)
        log().warning("parked", entry=parked.entry, reason=parked.reason)

    def decided(self, decision: Decision, entry: str) -> None:
        """Do what a person decided about items that concern nobody; the entry is taken with it."""
        for one in decision.says:
            if item := one.value("item"):
                self.store.change_item(item, partial(decided_alone, saying=one, decision=decision))
        self.store.close_entry(entry)

    # ------------------------------------------------------------ steps

    @contextmanager
    def held(self, lane: str) -> Iterator[tuple[str, ...]]:
        """Hold all lanes of the person of whom this is one; they are told, the root first.

        It is asked again once they are held: lanes may have been put together, or apart, while they were waited for.
        """
        with self.held_together([lane]) as (lanes,):
            yield lanes

    @contextmanager
    def held_together(self, lanes: Sequence[str]) -> Iterator[tuple[tuple[str, ...], ...]]:
        """The same of all persons of whom these are lanes, person by person."""
        while True:
            groups = self._groups(lanes)
            with self.store.queue.held(lane for group in groups for lane in group):
                if self._groups(lanes) == groups:
                    yield groups
                    return

    def _groups(self, lanes: Sequence[str]) -> tuple[tuple[str, ...], ...]:
        return tuple(dict.fromkeys(self.store.groups_of(lanes).values()))

    def catch_up(self, person: str, now: datetime) -> PersonRecord | None:
        """Step a lane with all that waits in it on file; with nothing, it is stepped for the time that has passed.

        None where something of it is to be sorted again first: no cycle may close over that. The caller holds the
        lane. Somebody who writes in it all the same costs a repetition. Raises `StoreDown`.
        """

        def once() -> PersonRecord | None:
            with self.one_house():
                waiting, sorted_again = self.waiting(person)
                return None if sorted_again else self.step_lane(person, waiting, now)

        return again(person, once)

    def work_lane(self, person: str, now: datetime) -> int:
        """The same where something waits, and nothing where nothing does; how many entries that were."""

        def once() -> int:
            # What was read by one house is not stepped by another.
            with self.one_house():
                waiting, _ = self.waiting(person)
                if waiting:
                    self.step_lane(person, waiting, now)
            return len(waiting)

        return again(person, once)

    def work_several(self, persons: Sequence[tuple[str, ...]], now: datetime) -> set[str]:
        """The same of several persons, in one transaction; the roots of those that are done with.

        All others, and who is told of other lanes, are worked by themselves. The caller holds all lanes.
        """
        with self.one_house():
            waiting = {root: found for root, (found, _) in self.waiting_of(persons).items()}
            some = {root: found for root, found in waiting.items() if found and not any(map(speaks_of_others, found))}
            done = {root for root, found in waiting.items() if not found}
            return done | set(some) if not some or self._stepped_together(some, now) else done

    def step_those(self, person: str, waiting: Sequence[Waiting], now: datetime) -> PersonRecord:
        """Step a lane with these entries; if somebody else wrote in it meanwhile, again with those that nobody took."""
        left = list(waiting)

        def once() -> PersonRecord:
            try:
                return self.step_lane(person, left, now)
            except Stale:
                known = self.store.not_taken([one.entry for one in left])
                left[:] = [one for one in left if one.entry in known]
                raise

        return again(person, once)

    def step_several(self, persons: Mapping[str, Sequence[Waiting]], now: datetime) -> None:
        """The same of several persons, all of them in one transaction: one sync for many steps.

        Where that does not go well nothing of it is written, and each is stepped by itself, with what nobody took
        meanwhile: what it was is found there, and told. Raises `StoreDown`.
        """
        if len(persons) > 1:
            if self._stepped_together(persons, now):
                return
            asked = {one.entry for waiting in persons.values() for one in waiting}
            # What another lane broke on before is no reason to keep it from these.
            left = self.store.not_taken(asked) | self.parked
            persons = {person: [one for one in waiting if one.entry in left] for person, waiting in persons.items()}
        for person, waiting in persons.items():
            self.step_those(person, without(waiting, self.parked), now)

    def _stepped_together(self, persons: Mapping[str, Sequence[Waiting]], now: datetime) -> bool:
        try:
            with self.one_house():
                before = self.store.load_all(list(persons))
                steps = [self._made(before[person], waiting, now) for person, waiting in persons.items()]
                self.store.save_all(steps, tick=now, under=self.house.tables.digest)
        except StoreDown:
            raise
        except Exception as error:  # noqa: BLE001  # whose fault it is shows when each is stepped by itself
            log().info("stepped one by one", count=len(persons), error=type(error).__name__)
            return False
        for one in steps:
            self._noted(one)
        return True

    def step_lane(self, person: str, waiting: Sequence[Waiting], now: datetime) -> PersonRecord:
        """Step a lane with these, in one transaction; halve it around an entry that breaks the step."""
        before = self.store.load(person)
        try:
            return self.stepped(before, waiting, now)
        except (StoreDown, Stale):
            raise
        except Exception as error:  # the entry that causes it is found, parked and told
            if len(waiting) > 1:
                middle = len(waiting) // 2
                self.step_lane(person, waiting[:middle], now)
                return self.step_lane(person, waiting[middle:], now)
            for one in waiting:
                self.park(Parked(one.entry, "exception", type(error).__name__), now)
            if not waiting:
                raise
            return before

    def renew(self, person: str, now: datetime) -> None:
        """Derive everything of a lane anew: other tables are in force. The caller holds the lane. Raises `StoreDown`."""
        again(person, lambda: self.stepped(self.store.load(person), (), now, anew=True))

    def stepped(
        self, before: PersonRecord, waiting: Sequence[Waiting], now: datetime, *, anew: bool = False
    ) -> PersonRecord:
        """The record after the step, saved; with `anew` all of it derived. Raises what the step or the store raises."""
        with self.one_house():
            made = self._made(before, waiting, now, anew=anew)
            said = {"taken": made.taken, "read": made.read, "left": made.left}
            self.store.save(before, made.after, **said, tick=now, under=self.house.tables.digest, again=anew)
        self._noted(made)
        return made.after

    def _made(self, before: PersonRecord, waiting: Sequence[Waiting], now: datetime, *, anew: bool = False) -> Stepped:
        """What these make of the record; nothing is written."""
        readings = [reading for one in waiting for reading in one.readings]
        return Stepped(
            before,
            step(before, readings, self.house, self.tick(now), again=anew),
            taken=[one.entry for one in waiting if one.last],
            read=[one.entry for one in waiting if one.entry],
            left=[one.entry for one in waiting if one.sorted],
        )

    def _noted(self, made: Stepped) -> None:
        """A step was saved."""
        after = made.after
        if after != made.before:
            self.steps += 1
        if after.parts or waiting_merges(after.events, identities(after)):
            self.unsettled.add(after.person)


def again(person: str, step_once: Callable[[], T]) -> T:
    """Step a lane; if somebody else wrote in it meanwhile, once more. Raises `Stale` when that does not end."""
    for _ in range(_COLLISIONS):
        try:
            return step_once()
        except Stale:
            log().warning("lane changed meanwhile", lane=person)
    return step_once()
