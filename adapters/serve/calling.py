"""What is due at payers: claims that leave or are repeated, answers that are asked for.

The intent is on file before a call and its outcome in the journal after it, so that a crash at any point leaves either
a claim that was not sent or one known as `sent?`. A claim has one call in flight at most.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import Final

from adapters.errors import StoreDown
from adapters.model.claim import ClaimEvent, ClaimOnFile, ClaimState
from adapters.model.journal import JournalEntry, JournalKind
from adapters.model.record import Due, Parked, PersonRecord, Reading
from adapters.model.site import Payer
from adapters.pipeline import Exchange, encode_exchange
from adapters.pipeline.exchange import Intent, encode_intent, intended
from adapters.pipeline.sending import document_of, may_repeat
from adapters.ports import Receipt
from adapters.serve.abreast import AGAIN, Abreast
from adapters.serve.logs import log
from adapters.serve.stepping import Stepping, again
from adapters.serve.uniting import Uniting
from adapters.serve.waits import Waiting
from adapters.serve.wired import Payers
from adapters.store import Stale

_CALLING: Final = "calling"
_LOOK: Final = 1.0
"""Seconds between two looks at what has fallen due while calls are under way."""


@dataclass(frozen=True, slots=True)
class _Leaving:
    """A call to be made: about which claim, to whom, and the claim's bytes where it is sent."""

    on_file: ClaimOnFile
    payer: Payer
    body: bytes = b""
    asks: str = ""
    """`poll` or `search`; empty where the claim is sent."""
    settled: bool = False
    """Of a search: the payer's stated delay is over."""


class Calling:
    """Does what due rows ask of payers.

    In the caller's thread, one call after the other; or `abreast`, where every payer has hands of its own (the
    `in_flight` of its profile) and one that is away delays no other. A payer that rests is not called, and what is due
    for it stays due.
    """

    def __init__(self, stepping: Stepping, payers: Payers, *, abreast: bool = False) -> None:
        self._stepping = stepping
        self._queue = stepping.store.queue
        self._uniting = Uniting(stepping)
        self._payers = payers
        self._abreast = abreast
        self._calls = count(1)
        self._left_alone: dict[str, datetime] = {}
        """Lanes in which something is due for a payer that rests, and until when nobody looks at them again."""

    def due(
        self,
        now: Callable[[], datetime],
        calls: frozenset[str],
        stop: threading.Event,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> int:
        """Step every lane with something due, and make the calls of these kinds; how many were made.

        One process at a time does this; the others wait for it. Ends early when `stop` is set. While calls are under
        way `meanwhile` is done every second, and what has fallen due since is begun as well. Raises `StoreDown`.
        """
        with self._queue.alone(_CALLING, wait=lambda: not stop.is_set()) as mine:
            if not mine:
                return 0
            return (
                self._side_by_side(now, calls, stop, meanwhile) if self._abreast else self._in_turn(now(), calls, stop)
            )

    def _in_turn(self, now: datetime, calls: frozenset[str], stop: threading.Event) -> int:
        made = 0
        for person in self._stepping.store.due_lanes(now):
            for due, _payer in self._callable(person, now, calls):
                if stop.is_set():
                    return made
                made += self._surely(person, due, lambda: now)
        return made

    def _side_by_side(
        self,
        now: Callable[[], datetime],
        calls: frozenset[str],
        stop: threading.Event,
        meanwhile: Callable[[], object],
    ) -> int:
        with Abreast() as desks:
            while True:
                self._hand_out(desks, now, calls, stop)
                if desks.settled(_LOOK):
                    break
                if stop.is_set():
                    desks.drop()
                else:
                    meanwhile()
        for error in desks.failed:
            raise error
        return desks.made

    def _hand_out(
        self, desks: Abreast, now: Callable[[], datetime], calls: frozenset[str], stop: threading.Event
    ) -> None:
        """Let every call be made that is due and not handed out yet."""
        at = now()
        for person in self._stepping.store.due_lanes(at):
            if stop.is_set() or desks.failed:
                return
            if desks.busy(person) or self._left_alone.get(person, at) > at:
                continue
            for due, payer in self._callable(person, at, calls):
                if (person, due) not in desks.done:
                    call = partial(self._surely, person, due, now)
                    desks.put(payer.id, payer.endpoint.in_flight, person, (person, due), call)

    def _callable(self, person: str, now: datetime, calls: frozenset[str]) -> list[tuple[Due, Payer]]:
        """The lane stepped; what of it is to be called now, with whom. Nothing of payers that rest."""
        self._left_alone.pop(person, None)
        try:
            with self._stepping.held(person) as lanes:
                record = self._stepping.catch_up(lanes[0], now)
            if self._uniting.settle(lanes[0], now):
                return []  # its claims may be in another lane now: what is due there comes next
        except StoreDown:
            raise
        except Exception as error:  # noqa: BLE001  # one lane's fault must not keep the others from their day
            log().error("a lane cannot be stepped", lane=person, error=type(error).__name__)
            return []
        found: list[tuple[Due, Payer]] = []
        rests = 0.0
        # A lane of which something is to be sorted again stays due: the next look comes after that.
        for due in [d for d in (record.due if record else ()) if d.what in calls and d.not_before <= now]:
            payer = self._payer(record, due)
            if payer is None:
                continue
            rest = self._payers.rests(payer)
            rests = max(rests, rest)
            if not rest:
                found.append((due, payer))
        if rests and not found:
            self._left_alone[person] = now + timedelta(seconds=min(rests, AGAIN))
        return found

    def _payer(self, record: PersonRecord | None, due: Due) -> Payer | None:
        """The payer of the claim that a due row is about; None where there is nobody to call."""
        on_file = record.claim(due.about) if record else None
        payer = None if on_file is None else self._stepping.house.site.payer(on_file.claim.payer.id)
        return payer if payer is not None and payer.endpoint.base_url else None

    def _surely(self, person: str, due: Due, now: Callable[[], datetime]) -> int:
        """One call; what goes wrong with it concerns its lane only. Raises `StoreDown`."""
        try:
            return self._call(person, due, now())
        except StoreDown:
            raise
        except Exception as error:  # noqa: BLE001  # see above
            log().error("a call cannot be made", lane=person, error=type(error).__name__)
            return 0

    def _call(self, person: str, due: Due, now: datetime) -> int:
        """One call for one due row: 1 when it was made. The lane is held before and after it, never while it lasts.

        A payer that has failed since is left alone: what waited in its queue then stays due.
        """
        with self._stepping.held(person):
            leaving = again(person, lambda: self._leaving(person, due, now))
        if leaving is None:
            return 0
        exchange = self._exchange(leaving, now)
        # The claim may have gone to another lane while the call lasted.
        with self._stepping.held(self._stepping.store.person_of_claim(exchange.claim) or person) as lanes:
            self._learn(lanes[0], exchange, leaving.payer, now)
        return 1

    def _leaving(self, person: str, due: Due, now: datetime) -> _Leaving | None:
        """What the call of a due row says, its intent on file; None when there is none to make any more."""
        record = self._stepping.store.load(person)
        on_file = record.claim(due.about)
        if on_file is None or due not in record.due:
            return None
        payer = self._stepping.house.site.payer(on_file.claim.payer.id)
        if payer is None or not payer.endpoint.base_url or self._payers.rests(payer):
            return None
        if due.what == "repeat" and not may_repeat(on_file, payer, now):
            # We were away for too long: the payer may have forgotten the first call, so it is asked instead.
            return _Leaving(on_file, payer, asks="search")
        if due.what not in ("send", "repeat"):
            return _Leaving(on_file, payer, asks=due.what, settled=due.what == "search")
        body = self._intend(record, on_file, payer, now)
        return _Leaving(on_file, payer, body) if body else None

    def _intend(self, record: PersonRecord, on_file: ClaimOnFile, payer: Payer, now: datetime) -> bytes:
        """Put on file that the claim is being sent, and give its bytes; or hold it, and give none."""
        if on_file.state not in (ClaimState.READY, ClaimState.UNKNOWN):
            return b""
        document = document_of(on_file.claim, payer)
        event, evidence = ClaimEvent.SEND, "sending"
        if document.problems and on_file.state is ClaimState.READY:
            event, evidence = ClaimEvent.HOLD, "; ".join(document.problems)[:500]
            log().warning("claim held", claim=on_file.claim.id, count=len(document.problems))
        intent = Intent(on_file.claim.id, event, evidence, now.isoformat(), next(self._calls))
        entry = self._journalled(JournalKind.CALL, payer, intent.claim, encode_intent(intent), now)
        reading = Reading(entry.id, entry.at, news=intended(entry.body))
        try:
            self._stepping.stepped(record, (Waiting(entry.id, (reading,), last=True),), now)
        except Stale:
            # Nothing has left: this intent is closed, and the next try has one of its own.
            self._stepping.store.close_entry(entry.id)
            raise
        return document.body if event is ClaimEvent.SEND else b""

    def _exchange(self, leaving: _Leaving, now: datetime) -> Exchange:
        """Call the payer. Whatever goes wrong in here, the claim may have left: that is an answer as well."""
        on_file, payer = leaving.on_file, leaving.payer
        claim = on_file.claim.id
        try:
            if leaving.asks == "poll":
                exchange = self._payers.poll(claim, payer, on_file.poll_at)
            elif leaving.asks == "search":
                exchange = replace(self._payers.search(claim, payer), settled=leaving.settled)
            else:
                exchange = self._payers.submit(claim, payer, leaving.body)
        except Exception as error:  # noqa: BLE001  # see above
            log().error("call failed", claim=claim, payer=payer.id, error=type(error).__name__)
            exchange = Exchange(claim, leaving.asks or payer.endpoint.call, failure="no-answer")
        log().info(
            "called",
            claim=claim,
            payer=payer.id,
            call=exchange.call,
            status=exchange.status or 0,
            failure=exchange.failure,
            why=exchange.why,
        )
        repeats = on_file.state is ClaimState.UNKNOWN
        return replace(exchange, repeats=repeats, at=now.isoformat(), number=next(self._calls))

    def _learn(self, person: str, exchange: Exchange, payer: Payer, now: datetime) -> None:
        """Journal what came of a call, then step the lane with it. From the journal on it is not lost: what is left
        unread here is sorted and worked like any other entry."""
        entry = self._journalled(JournalKind.ANSWER, payer, exchange.claim, encode_exchange(exchange), now)
        found = self._stepping.read(entry)
        if found.news is None:
            self._stepping.park(found.parked or Parked(entry.id, "unmatched-response"), now)
            return
        reading = Reading(entry.id, entry.at, news=found.news)
        self._stepping.step_those(person, (Waiting(entry.id, (reading,), last=True),), now)

    def _journalled(self, kind: JournalKind, payer: Payer, claim: str, body: bytes, now: datetime) -> JournalEntry:
        """Put what is about to happen at a payer, or what happened there, into the journal."""
        receipt = Receipt(
            kind=kind,
            channel=f"payer:{payer.id}",
            sender=payer.id,
            actor=f"payer:{payer.id}",
            media="json",
            control=claim,
            digest=hashlib.sha256(body).hexdigest(),
            body=body,
            answer=b"",
            at=now,
        )
        received = self._stepping.store.receive(receipt)
        entry = self._stepping.store.entry(received.entry)
        if entry is None:
            raise StoreDown("an entry just stored is not there")
        return entry
