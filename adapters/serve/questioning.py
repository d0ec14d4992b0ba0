"""Questions to the clinic: what the record lacks for a line to be billed is asked at the EHR that told of it.

A round follows each round of asking an EHR (`serve.asking`), for an EHR whose settings say `questions = "task"`. What is
meant to be asked is on file before the call and its outcome after it, so that a crash in between asks nothing twice.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from adapters.ehr import EhrClient
from adapters.ehr.questions import Asker, ask, drawn_up, remind, tell_of_end
from adapters.model.ehr import Ehr
from adapters.model.question import ASKED_OF, Question, Stage
from adapters.model.work import WorkItem
from adapters.pipeline import questions
from adapters.pipeline.settling import found_of
from adapters.serve import metrics
from adapters.serve.logs import log
from adapters.serve.wired import Wired

MOST: Final = 200
"""Questions that are newly asked in one round; the next round goes on."""
_AWAY: Final = frozenset({"no-answer", "not-asked", "status-401", "status-429", "status-503"})
"""After these nothing more is said in the round: the EHR as a whole does not answer."""
_WEATHER: Final = _AWAY | {"status-408", "status-412", "status-425"}
"""Troubles that go by themselves; as those of 5xx they are tried again with the next round, all others after:"""
_PATIENCE: Final = timedelta(days=1)


@dataclass(slots=True)
class Questioned:
    """What a round did."""

    feed: str
    asked: int = 0
    reminded: int = 0
    answered: int = 0
    withdrawn: int = 0
    troubles: list[str] = field(default_factory=list)
    """Why the EHR did not take something, as stable codes; each once."""


class Questioning:
    """Asks the clinic by the EHRs of a site."""

    def __init__(self, wired: Wired, client: EhrClient, stop: threading.Event | None = None) -> None:
        self._wired = wired
        self._client = client
        self._stop = stop or threading.Event()
        self._over: dict[str, set[str]] = {}
        """Feed → work items of which nothing is left to be told, as far as this process has seen."""
        self._elsewhere: dict[str, dict[str, str]] = {}
        """Feed → work items whose line rests on nothing of it, each with the mark of its record when that was seen."""

    def once(self, ehr: Ehr) -> Questioned | None:
        """Ask what is new, remind of what is late, end what is over; None where nothing is asked there, or another process
        is at it. Raises `StoreDown`, and `BadSetup` where the EHR's token cannot be read.
        """
        if ehr.questions == "off":
            return None
        with self._wired.store.queue.alone(f"questions:{ehr.feed}") as mine:
            if not mine:
                return None
            done = Questioned(ehr.feed)
            for before, after in self._steps(ehr):
                self._count(done, before, after)
                if self._stop.is_set() or after.problem in _AWAY:
                    break
        if done.asked or done.reminded or done.answered or done.withdrawn:
            said = (("asked", done.asked), ("answered", done.answered), ("withdrawn", done.withdrawn))
            log().info("questions to the clinic", feed=ehr.feed, **dict(said), reminded=done.reminded)
        for code in done.troubles:
            log().warning("a question to the clinic is not taken", feed=ehr.feed, code=code)
        return done

    def _steps(self, ehr: Ehr) -> Iterator[tuple[Question, Question]]:
        """Each question that something is done about, before and after it."""
        now = self._wired.clock.now()
        open_ = {one.item.id: one.item for one in self._wired.store.open_work() if _asks(one.item)}
        known = self._known(ehr, open_)
        for question in known.values():
            if question.live and question.item not in open_:
                ended = self._ended(question, now)
                self._keep(ended, question, now)
                yield question, self._told(ehr, ended, now)
            elif not question.live and not question.told and self._worth_trying(question, now):
                yield question, self._told(ehr, question, now)
            elif question.live and self._worth_trying(question, now):
                if question.stage is Stage.ASKING:
                    yield question, self._asked(ehr, question, now, again=True)
                elif self._is_late(ehr, question, now):
                    after = remind(ehr, self._client, question, self._asker(ehr), now)
                    yield question, self._keep(replace(after, tried=now), question, now)
        for fresh in islice(self._all_fresh(ehr, open_, known, now), MOST):
            self._keep(fresh, None, now)
            yield fresh, self._asked(ehr, fresh, now, again=False)

    def _known(self, ehr: Ehr, open_: dict[str, WorkItem]) -> dict[str, Question]:
        """Work item → its last question, of those that were asked at this EHR and are not over."""
        store, channel = self._wired.store, questions.channel_of(ehr.feed)
        over = self._over.setdefault(ehr.feed, set())
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
        self, ehr: Ehr, open_: dict[str, WorkItem], known: dict[str, Question], now: datetime
    ) -> Iterator[Question]:
        """The questions that have not been asked, one after the other as they are wanted."""
        over = [item for item in open_.values() if item.id not in known or known[item.id].told]
        marks = self._wired.store.marks({item.person for item in over})
        before, seen = self._elsewhere.get(ehr.feed, {}), dict[str, str]()
        self._elsewhere[ehr.feed] = seen
        for item in over:
            mark = marks.get(item.person, "")
            fresh = None
            if not mark or before.get(item.id) != mark:
                fresh = self._fresh(ehr, item, known.get(item.id), now)
            if fresh is None:
                seen[item.id] = mark
            else:
                yield fresh

    def _fresh(self, ehr: Ehr, item: WorkItem, earlier: Question | None, now: datetime) -> Question | None:
        """The question about an item of which nobody has been asked; None where this EHR told nothing of it."""
        found = found_of(self._wired.store, item)
        if found.hold is None or found.record is None:
            return None
        site, rules = self._wired.site, self._wired.house.rules
        return drawn_up(
            ehr,
            item.id,
            found.record,
            found.hold,
            self._body,
            words=rules.hold(found.hold.code).words,
            number=1 if earlier is None else earlier.number + 1,
            now=now,
            today=now.astimezone(ZoneInfo(site.zone)),
        )

    def _body(self, entry: str) -> bytes:
        known = self._wired.store.entry(entry)
        return b"" if known is None else known.body

    def _asked(self, ehr: Ehr, question: Question, now: datetime, *, again: bool) -> Question:
        after = ask(ehr, self._client, question, self._asker(ehr), now, again=again)
        return self._keep(after, question, now)

    def _told(self, ehr: Ehr, question: Question, now: datetime) -> Question:
        after = tell_of_end(ehr, self._client, question, self._asker(ehr), now)
        return self._keep(replace(after, tried=now), question, now)

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

    def _asker(self, ehr: Ehr) -> Asker:
        site = self._wired.site
        place = next((feed.facility for feed in site.feeds if feed.name == ehr.feed), "")
        facility = next((one for one in site.facilities if one.id == place), None)
        return Asker(f"Billing of {site.name}", facility.npi if facility else "")

    @staticmethod
    def _is_late(ehr: Ehr, question: Question, now: datetime) -> bool:
        wanted = ehr.question_reminder_days > 0 and question.reminded is None and not question.clinic
        return wanted and now - question.asked >= timedelta(days=ehr.question_reminder_days)

    @staticmethod
    def _worth_trying(question: Question, now: datetime) -> bool:
        """Whether nothing speaks against a call now: what the EHR refuses, it refuses for a while."""
        if _passes(question.problem) or question.tried is None:
            return True
        return now - question.tried >= _PATIENCE

    @staticmethod
    def _count(done: Questioned, before: Question, after: Question) -> None:
        if after.problem:
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
