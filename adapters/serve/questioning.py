"""Questions to the clinic: what the record lacks for a line to be billed is asked of the system that told of it.

One round for each way of asking (`pipeline.questions.Asks`): Tasks after each round of asking an EHR (`serve.asking`),
messages by `serve.desks`. What is meant to be asked is on file before the call and its outcome after it, so that a crash in
between asks nothing twice; a line of which two ways could ask is asked about by the first of the site's alone.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from adapters.ehr.messages import end_of
from adapters.ehr.questions import Asker, told_of
from adapters.model.charge import Hold
from adapters.model.question import ASKED_OF, Question, Stage, Step
from adapters.model.record import PersonRecord
from adapters.model.work import WorkItem
from adapters.pipeline import questions
from adapters.pipeline.questions import Asks, Draft
from adapters.pipeline.settling import found_of
from adapters.serve import metrics
from adapters.serve.logs import log
from adapters.serve.wired import Wired

MOST: Final = 200
"""Questions that are newly asked in one round; the next round goes on."""
_UNHEARD: Final = frozenset({"not-connected", "no-answer", "broken-answer", "other-answer"})
_AWAY: Final = _UNHEARD | {"not-asked", "status-401", "status-429", "status-503"}
"""After these nothing more is said in the round: the other side as a whole does not answer."""
_WEATHER: Final = _AWAY | {"status-408", "status-412", "status-425"}
"""Troubles that go by themselves; as those of 5xx they are tried again with the next round, all others after:"""
_PATIENCE: Final = timedelta(days=1)
_FIRST_WAIT: Final = timedelta(minutes=1)
_LONGEST_WAIT: Final = timedelta(hours=1)
"""A message that is not answered goes again after the first of these, then after twice as long, up to the second."""
REFUSED: Final = "refused-"
"""How the troubles of messages begin that a desk has refused."""


@dataclass(slots=True)
class Questioned:
    """What a round did."""

    feed: str
    asked: int = 0
    reminded: int = 0
    answered: int = 0
    withdrawn: int = 0
    troubles: list[str] = field(default_factory=list)
    """Why something was not taken, as stable codes; each once."""
    refused: list[str] = field(default_factory=list)
    """Messages that stand refused after the round, each with the desk's words."""
    whole: bool = True
    """Whether the round came to its end."""


class Questioning:
    """Asks the clinic, by whatever way it is handed."""

    def __init__(self, wired: Wired, stop: threading.Event | None = None) -> None:
        self._wired = wired
        self._stop = stop or threading.Event()
        self._over: dict[str, set[str]] = {}
        """Feed → work items of which nothing is left to be told, as far as this process has seen."""
        self._elsewhere: dict[str, dict[str, str]] = {}
        """Feed → work items that are not its to ask about, each with the mark of its record when that was seen."""

    def once(self, asks: Asks) -> Questioned | None:
        """Ask what is new, remind of what is late, end what is over; None where another process is at it.

        Raises `StoreDown`, and `BadSetup` where credentials cannot be read.
        """
        with self._wired.store.queue.alone(f"questions:{asks.feed}") as mine:
            if not mine:
                return None
            done = Questioned(asks.feed)
            for before, after in self._steps(asks):
                self._count(done, before, after)
                if self._stop.is_set() or after.problem in _AWAY:
                    done.whole = False
                    break
        for what in ("asked", "reminded", "answered", "withdrawn"):
            if count := getattr(done, what):
                log().info("questions to the clinic", feed=asks.feed, code=what, count=count)
        for code in done.troubles:
            log().warning("a question to the clinic is not taken", feed=asks.feed, code=code)
        return done

    def asker(self, feed: str) -> Asker:
        """Who asks about what this feed told: the billing of the site, for the feed's facility."""
        site = self._wired.site
        place = next((one.facility for one in site.feeds if one.name == feed), "")
        facility = next((one for one in site.facilities if one.id == place), None)
        return Asker(f"Billing of {site.name}", facility.npi if facility else "")

    def body(self, entry: str) -> bytes:
        """The bytes of a journal entry; none where there is no such entry."""
        known = self._wired.store.entry(entry)
        return b"" if known is None else known.body

    def _steps(self, asks: Asks) -> Iterator[tuple[Question, Question]]:
        """Each question that something is done about or that stands refused, before and after the round."""
        now = self._wired.clock.now()
        open_ = {one.item.id: one.item for one in self._wired.store.open_work() if _asks(one.item)}
        known = self._known(asks, open_)
        for question in known.values():
            if question.live and question.item not in open_:
                ended = self._keep(self._ended(question, now), question, now)
                yield question, self._told(asks, ended, now)
            elif not self._worth_trying(question, now):
                if question.problem.startswith(REFUSED):
                    yield question, question
            elif not question.live and not question.told:
                yield question, self._told(asks, question, now)
            elif question.stage is Stage.ASKING:
                yield question, self._asked(asks, question, now, again=True)
            elif question.live and self._is_late(asks, question, now):
                yield question, self._call(question, now, asks, Step.REMINDED, asks.remind)
        for fresh in islice(self._all_fresh(asks, open_, known, now), MOST):
            yield fresh, self._asked(asks, fresh, now, again=False)

    def _known(self, asks: Asks, open_: dict[str, WorkItem]) -> dict[str, Question]:
        """Work item → its last question, of those that were asked this way and are not over."""
        store, channel = self._wired.store, questions.channel_of(asks.feed)
        over = self._over.setdefault(asks.feed, set())
        known: dict[str, Question] = {}
        for item in questions.listed_in(store.noted(channel, questions.LIST)):
            if item in over and item not in open_:
                continue
            entry = store.last_noted(channel, questions.control_of(item))
            if entry is None:
                continue
            question = questions.question_in(entry)
            if question.told:
                over.add(item)
            if item in open_ or not question.told:
                known[item] = question
        return known

    def _all_fresh(
        self, asks: Asks, open_: dict[str, WorkItem], known: dict[str, Question], now: datetime
    ) -> Iterator[Question]:
        """The questions that have not been asked, one after the other as they are wanted, each on file."""
        over = [item for item in open_.values() if item.id not in known or known[item.id].told]
        marks = self._wired.store.marks({item.person for item in over})
        before, seen = self._elsewhere.get(asks.feed, {}), dict[str, str]()
        self._elsewhere[asks.feed] = seen
        for item in over:
            mark = marks.get(item.person, "")
            fresh = None
            if not mark or before.get(item.id) != mark:
                with self._choosing() as mine:
                    if not mine:
                        return
                    fresh = self._fresh(asks, item, now)
                    if fresh is not None:
                        self._keep(fresh, None, now)
            if fresh is None:
                seen[item.id] = mark
            else:
                yield fresh

    def _choosing(self) -> contextlib.AbstractContextManager[bool]:
        """Be the only one that begins a question, where several could about the same line."""
        if len(self._wired.site.asked_feeds) < 2:
            return contextlib.nullcontext(enter_result=True)
        return self._wired.store.queue.alone("questions", wait=lambda: not self._stop.is_set())

    def _fresh(self, asks: Asks, item: WorkItem, now: datetime) -> Question | None:
        """The question about an item of which nobody has been asked; None where it is not asked this way."""
        found = found_of(self._wired.store, item)
        if found.hold is None or found.record is None:
            return None
        site, rules, store = self._wired.site, self._wired.house.rules, self._wired.store
        ways = list(self._ways(found.record, found.hold))
        if asks.feed not in ways[:1]:
            return None
        others = [feed for feed in self._asking() if feed != asks.feed]
        if (there := questions.question_about(store, others, item.id)) is not None and there.live:
            return None
        earlier = questions.question_about(store, site.asked_feeds, item.id)
        words, number = rules.hold(found.hold.code).words, 1 if earlier is None else earlier.number + 1
        draft = Draft(item.id, found.hold, words, number, now, now.astimezone(ZoneInfo(site.zone)))
        return asks.drawn_up(found.record, found.hold, draft)

    def _asking(self) -> Iterator[str]:
        """The feeds by which questions are asked now."""
        site = self._wired.site
        yield from (ehr.feed for ehr in site.ehrs if ehr.questions != "off")
        yield from (desk.feed for desk in site.desks)

    def _ways(self, record: PersonRecord, hold: Hold) -> Iterator[str]:
        """The feeds whose senders could be asked about a line, in the order of the site: EHRs before desks."""
        site = self._wired.site
        for ehr in site.ehrs:
            if ehr.questions != "off" and any(True for _ in told_of(ehr, record, hold)):
                yield ehr.feed
        for desk in site.desks:
            if any(True for _ in questions.reports_of(desk.feed, record, hold)):
                yield desk.feed

    def _asked(self, asks: Asks, question: Question, now: datetime, *, again: bool) -> Question:
        return self._call(question, now, asks, Step.ASKED, lambda ready, at: asks.ask(ready, at, again=again))

    def _told(self, asks: Asks, question: Question, now: datetime) -> Question:
        return self._call(question, now, asks, end_of(question), asks.tell_of_end)

    def _call(
        self,
        question: Question,
        now: datetime,
        asks: Asks,
        step: Step,
        call: Callable[[Question, datetime], Question],
    ) -> Question:
        """Tell the clinic of a step: what leaves is on file before it does, what became of it afterwards."""
        ready = asks.ready(question, step, now)
        if ready != question:
            self._keep(ready, question, now)
        return self._keep(replace(call(ready, now), tried=now), ready, now)

    def _ended(self, question: Question, now: datetime) -> Question:
        """A question whose line is held no more, with what ended it."""
        store = self._wired.store
        item = store.work_item(question.item)
        record = store.load(store.lanes_of(item.person)[0] if item is not None else "")
        entries = store.entries(questions.rests_on(record, item.about)) if item is not None else ()
        return questions.closed(question, item, record, entries, now)

    def _keep(self, after: Question, before: Question | None, now: datetime) -> Question:
        """Put on file how a question stands, unless only the same weather was met again."""
        store, channel = self._wired.store, questions.channel_of(after.feed)
        if before is None:
            store.note(channel, questions.LIST, lambda last: questions.listing_of(after, last, now))
        if before is None or replace(after, tried=before.tried) != before or not _passes(after.problem):
            store.note(channel, questions.control_of(after.item), lambda last: questions.note_of(after, last, now))
        return after

    @staticmethod
    def _is_late(asks: Asks, question: Question, now: datetime) -> bool:
        wanted = asks.reminder_days > 0 and question.reminded is None and not question.clinic
        return wanted and now - question.asked >= timedelta(days=asks.reminder_days)

    @staticmethod
    def _worth_trying(question: Question, now: datetime) -> bool:
        """Whether nothing speaks against a call now: who refuses, refuses for a while, and who is silent is busy."""
        if question.tried is None:
            return True
        if question.unheard:
            wait: timedelta = min(_FIRST_WAIT * 2 ** min(question.unheard - 1, 10), _LONGEST_WAIT)
            return now - question.tried >= wait
        return _passes(question.problem) or now - question.tried >= _PATIENCE

    @staticmethod
    def _count(done: Questioned, before: Question, after: Question) -> None:
        if after.problem.startswith(REFUSED):
            done.refused.append(f"{after.problem.removeprefix(REFUSED)}: {after.reply or 'no words'}")
        if after.problem and after != before:
            metrics.QUESTIONS.labels(done.feed, "trouble").inc()
            if after.problem not in done.troubles:
                done.troubles.append(after.problem)
        if before.stage is Stage.ASKING and after.stage is Stage.OPEN:
            done.asked += 1
            metrics.QUESTIONS.labels(done.feed, "asked").inc()
        if before.reminded is None and after.reminded is not None:
            done.reminded += 1
            metrics.QUESTIONS.labels(done.feed, "reminded").inc()
        if before.live and not after.live:
            done.answered += after.stage is Stage.ANSWERED
            done.withdrawn += after.stage is Stage.WITHDRAWN
            metrics.QUESTIONS.labels(done.feed, after.stage.value).inc()


def _asks(item: WorkItem) -> bool:
    return item.kind == "hold" and item.code == ASKED_OF


def _passes(problem: str) -> bool:
    return not problem or problem in _WEATHER or problem.startswith("status-5")
