"""What is due at payers: claims that leave or are repeated, answers that are asked for; one call at a time.

The intent is on file before a call and its outcome in the journal after it, so that a crash at any point leaves either
a claim that was not sent or one known as `sent?`. A claim has one call in flight at most.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from adapters.errors import StoreDown
from adapters.model.claim import ClaimEvent, ClaimOnFile, ClaimState
from adapters.model.journal import JournalEntry, JournalKind
from adapters.model.record import Due, Parked, PersonRecord, Reading
from adapters.model.site import Payer
from adapters.pipeline import Exchange, encode_exchange
from adapters.pipeline.exchange import Intent, encode_intent, intended
from adapters.pipeline.sending import document_of
from adapters.ports import Receipt
from adapters.serve.logs import log
from adapters.serve.stepping import Stepping, Waiting, again
from adapters.serve.wired import Payers
from adapters.store import Stale

_CALLING: Final = "calling"


@dataclass(frozen=True, slots=True)
class _Leaving:
    """A call to be made: about which claim, to whom, and the claim's bytes where it is sent."""

    on_file: ClaimOnFile
    payer: Payer
    body: bytes = b""


class Calling:
    """Does what due rows ask of payers, lane by lane, in the caller's thread."""

    def __init__(self, stepping: Stepping, payers: Payers) -> None:
        self._stepping = stepping
        self._queue = stepping.store.queue
        self._payers = payers
        self._calls = 0

    def due(self, now: datetime, calls: frozenset[str], stop: threading.Event) -> int:
        """Step every lane with something due, and make the calls of these kinds; how many were made.

        One process at a time does this; the others wait for it. Ends early when `stop` is set. Raises `StoreDown`.
        """
        made = 0
        with self._queue.alone(_CALLING, wait=lambda: not stop.is_set()) as mine:
            for person in self._stepping.store.due_lanes(now) if mine else ():
                if stop.is_set():
                    break
                made += self._in_lane(person, now, calls, stop)
        return made

    def _in_lane(self, person: str, now: datetime, calls: frozenset[str], stop: threading.Event) -> int:
        made = 0
        try:
            with self._queue.held([person]):
                record = self._stepping.catch_up(person, now)
            for due in [d for d in record.due if d.what in calls and d.not_before <= now]:
                if stop.is_set():
                    break
                made += self._call(person, due, now)
        except StoreDown:
            raise
        except Exception as error:  # noqa: BLE001  # one lane's fault must not keep the others from their day
            log().error("a lane cannot be stepped", lane=person, error=type(error).__name__)
        return made

    def _call(self, person: str, due: Due, now: datetime) -> int:
        """One call for one due row: 1 when it was made. The lane is held before and after it, never while it lasts."""
        with self._queue.held([person]):
            leaving = again(person, lambda: self._leaving(person, due, now))
        if leaving is None:
            return 0
        exchange = self._exchange(leaving, due, now)
        with self._queue.held([person]):
            self._learn(person, exchange, leaving.payer, now)
        return 1

    def _leaving(self, person: str, due: Due, now: datetime) -> _Leaving | None:
        """What the call of a due row says, its intent on file; None when there is none to make any more."""
        record = self._stepping.store.load(person)
        on_file = record.claim(due.about)
        if on_file is None or due not in record.due:
            return None
        payer = self._stepping.house.site.payer(on_file.claim.payer.id)
        if payer is None or not payer.endpoint.base_url:
            return None
        if due.what not in ("send", "repeat"):
            return _Leaving(on_file, payer)
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
        self._calls += 1
        intent = Intent(on_file.claim.id, event, evidence, now.isoformat(), self._calls)
        entry = self._journalled(JournalKind.CALL, payer, intent.claim, encode_intent(intent), now)
        reading = Reading(entry.id, entry.at, news=intended(entry.body))
        try:
            self._stepping.stepped(record, (Waiting(entry.id, (reading,), last=True),), now)
        except Stale:
            # Nothing has left: this intent is closed, and the next try has one of its own.
            self._stepping.store.close_entry(entry.id)
            raise
        return document.body if event is ClaimEvent.SEND else b""

    def _exchange(self, leaving: _Leaving, due: Due, now: datetime) -> Exchange:
        """Call the payer. Whatever goes wrong in here, the claim may have left: that is an answer as well."""
        on_file, payer, body = leaving.on_file, leaving.payer, leaving.body
        claim = on_file.claim.id
        self._calls += 1
        try:
            if due.what == "poll":
                exchange = self._payers.poll(claim, payer, on_file.poll_at)
            elif due.what == "search":
                exchange = replace(self._payers.search(claim, payer), settled=True)
            else:
                exchange = self._payers.submit(claim, payer, body)
        except Exception as error:  # noqa: BLE001  # see above
            log().error("call failed", claim=claim, payer=payer.id, error=type(error).__name__)
            exchange = Exchange(claim, due.what if not body else payer.endpoint.call, failure="no-answer")
        log().info(
            "called",
            claim=claim,
            payer=payer.id,
            call=exchange.call,
            status=exchange.status or 0,
            failure=exchange.failure,
        )
        return replace(exchange, repeats=on_file.state is ClaimState.UNKNOWN, at=now.isoformat(), number=self._calls)

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
