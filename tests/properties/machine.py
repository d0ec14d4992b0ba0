"""Promise P3: any message, any number of times, in any order, with corrections, crashes and payers' answers between.

A state machine of hypothesis drives the pure step of one person's lane. After every step the record is set against the
oracle (`oracle.py`), which knows only the set of what was said; at the end everything settles, and the net of what the
payer holds (claims with their corrections) is what the oracle says is owed. Not in it: merged persons (ADT^A40).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from adapters.model.claim import ClaimEvent, ClaimOnFile, ClaimState
from adapters.model.record import ChargeStatus, PersonRecord, Reading, SubmissionNews, Tick
from adapters.pipeline import step
from tests.model.clinic import PERSON, moment, of_state
from tests.properties import telling
from tests.properties.histories import due, held, lost
from tests.properties.invariants import (
    billed_once,
    every_cent_is_somewhere,
    ready_claims_say_what_is_due,
    slots_owed_once,
)
from tests.properties.oracle import ALL, Owed, Service, owed
from tests.properties.payer_desk import Desk
from tests.properties.telling import FIRST_DAY, Message, house, workday

E = ClaimEvent
STEPS = 50
DAYS = 7
"""Sessions that a course has at most."""
_TECHNIQUES = (("3d", 1), ("3d", 2), ("imrt", 1), ("2d", 1))
_CODES = ("77300", "77300", "77407", "77412")
FATES = ("paid", "denied", "taken", "lost", "late", "never-left", "throttled", "paid")

somewhere = st.integers(0, 10**6)
"""Which of a list is meant: the number modulo its length."""
told: Counter[str] = Counter()
"""How often what happened, over all runs of this process."""


class Clinic(RuleBasedStateMachine):
    """One person at one clinic: what was said, what arrived, what is on file, and what the payer has."""

    def __init__(self) -> None:
        super().__init__()
        self.setting, self.cycle = "freestanding", "week"
        self.record = PersonRecord(PERSON)
        self.today = FIRST_DAY
        self.versions: Counter[tuple[str, int]] = Counter()
        self.waiting: list[Message] = []
        self.arrived: list[Message] = []
        self.desk = Desk()
        self.rules = 0
        self.answered: list[SubmissionNews] = []
        told["runs"] += 1

    @initialize(hospital=st.booleans(), registered=st.booleans(), daily=st.booleans())
    def open(self, hospital: bool, registered: bool, daily: bool) -> None:
        """A hospital or a centre, claims by the day or the week; the patient registered, or not yet."""
        self.cycle = "day" if daily else "week"
        self.setting = "hospital" if hospital else "freestanding"
        (self.arrived_now if registered else self.waiting.append)(telling.registration(self.setting, 0))

    # ------------------------------------------------------------ what happens to the record

    def stepped(self, found: Sequence[Reading]) -> PersonRecord:
        """The record after a step with these readings, not saved."""
        told["steps"] += 1
        return step(self.record, found, house(self.setting, self.cycle), self.tick())

    def tick(self) -> Tick:
        """The evening of today."""
        return moment(self.today)

    def arrived_now(self, *messages: Message) -> None:
        """The messages arrive together, and the step is saved."""
        self.record = self.stepped([r for message in messages for r in telling.readings(message, self.setting)])
        self.arrived.extend(messages)

    def happened(self, claim: ClaimOnFile, event: ClaimEvent, **more: object) -> None:
        """News of a claim, and the step is saved."""
        news = SubmissionNews(claim.claim.id, event, "said", **more)  # type: ignore[arg-type]
        self.record = self.stepped([Reading(f"news-{told['steps']}", self.tick().now, news=news)])
        if event is E.ADJUDICATE:
            self.answered.append(news)

    def again(self, kind: str, n: int) -> int:
        """The next version of that line."""
        self.versions[kind, n] += 1
        return self.versions[kind, n] - 1

    def drawn(self, kind: str, n: int, choice: int, *, back: bool = False) -> Message:
        """A new statement about line n of that kind; with `back` it takes the line back."""
        if kind == "coded":
            code = _CODES[choice % len(_CODES)]
            version = self.again(code, n)
            credit = ("CR", "CD")[choice % 2]
            kind_said = credit if back else "CG"
            return telling.coded(self.setting, 0, n, code, version=version, units=1 + choice // 4 % 2, kind=kind_said)
        technique, isocenters = _TECHNIQUES[choice % len(_TECHNIQUES)]
        said = {"technique": technique, "isocenters": isocenters, "done": not back}
        if kind == "ehr":
            said["technique"] = "imrt" if technique == "imrt" else "3d"
            return telling.twin(self.setting, 0, n, version=self.again(kind, n), **said)  # type: ignore[arg-type]
        return telling.session(self.setting, 0, n, version=self.again(kind, n), **said)  # type: ignore[arg-type]

    # ------------------------------------------------------------ what happens

    kinds = st.sampled_from(("rt", "rt", "ehr", "coded"))
    days = st.integers(0, DAYS - 1)

    @rule(kind=kinds, n=days, choice=somewhere)
    def send(self, kind: str, n: int, choice: int) -> None:
        """A new statement arrives: a new line, or another one of a line that is known (a correction)."""
        told["sent"] += 1
        self.arrived_now(self.drawn(kind, n, choice))

    @rule(kind=kinds, n=days, choice=somewhere)
    def hold_up(self, kind: str, n: int, choice: int) -> None:
        """A new statement is made and does not arrive yet: whatever is said later overtakes it."""
        told["held up"] += 1
        self.waiting.append(self.drawn(kind, n, choice))

    @rule(kind=kinds, n=days, choice=somewhere)
    def take_back(self, kind: str, n: int, choice: int) -> None:
        """A line is taken back, known or not."""
        told["taken back"] += 1
        self.arrived_now(self.drawn(kind, n, choice, back=True))

    @rule(kind=kinds, n=days, choice=somewhere)
    def cancel_before_the_original(self, kind: str, n: int, choice: int) -> None:
        """A line is stated and taken back, and the taking back arrives first."""
        told["cancelled first"] += 1
        self.waiting.append(self.drawn(kind, n, choice))
        self.arrived_now(self.drawn(kind, n, choice, back=True))

    @rule(n=days, choice=somewhere, sooner=st.booleans())
    def one_session_by_both(self, n: int, choice: int, sooner: bool) -> None:
        """A session and its coded twin, or its twin of the other channel, one of them late."""
        told["twins"] += 1
        one, other = self.drawn("rt", n, choice), self.drawn("coded" if choice % 3 else "ehr", n, choice)
        self.waiting.append(other if sooner else one)
        self.arrived_now(one if sooner else other)

    @precondition(lambda self: self.waiting)
    @rule(which=somewhere, many=st.integers(1, 4))
    def arrive(self, which: int, many: int) -> None:
        """Some of what was held up arrives, out of order and in one step."""
        told["arrived late"] += 1
        chosen = [self.waiting.pop((which + i) % len(self.waiting)) for i in range(min(many, len(self.waiting)))]
        self.arrived_now(*chosen)

    @precondition(lambda self: self.arrived)
    @rule(which=somewhere)
    def resend(self, which: int) -> None:
        """A message that arrived arrives again."""
        told["resent"] += 1
        self.arrived_now(self.arrived[which % len(self.arrived)])

    @rule(until=st.one_of(st.none(), days), late=st.booleans())
    def amend_coverage(self, until: int | None, late: bool) -> None:
        """Another insurance from some day on, or as it was; told now or later."""
        told["coverage amended"] += 1
        message = telling.registration(self.setting, 0, version=self.again("coverage", 0) + 1, until=until)
        self.waiting.append(message) if late else self.arrived_now(message)

    @rule(n=st.integers(-1, DAYS - 1))
    def attend(self, n: int) -> None:
        """An examination, a weekly check, or the end of the course."""
        told["attended"] += 1
        self.arrived_now(telling.visit(self.setting, 0, n))

    @precondition(lambda self: self.waiting)
    @rule(which=somewhere)
    def crash(self, which: int) -> None:
        """The program dies before a step is saved, and goes on from what was."""
        told["crashed"] += 1
        saved = self.record
        self.stepped(telling.readings(self.waiting[which % len(self.waiting)], self.setting))
        assert self.record is saved

    @rule(days=st.integers(1, 9))
    def wait(self, days: int) -> None:
        """Time passes and cycles close."""
        told["ticks"] += 1
        self.today += timedelta(days=days)
        self.record = self.stepped([])

    @rule(which=somewhere, fate=st.sampled_from(FATES))
    def leave(self, which: int, fate: str) -> None:
        """A ready claim leaves, and this becomes of it."""
        ready = of_state(self.record, ClaimState.READY)
        if not ready:
            self.wait(8)
            return
        told[f"claim {fate}"] += 1
        claim = ready[which % len(ready)]
        self.happened(claim, E.SEND)
        if fate not in ("never-left", "throttled"):
            self.desk.take(claim.claim)
        if fate == "throttled":
            self.happened(claim, E.NOT_SENT)
        elif fate == "lost":
            self.happened(claim, E.LOST)
        elif fate == "taken":
            self.happened(claim, E.TAKE)
        elif fate in ("paid", "denied"):
            self.happened(claim, E.ADJUDICATE, answer=self.desk.answer(claim, denied=fate == "denied"))

    @precondition(lambda self: of_state(self.record, ClaimState.UNKNOWN, ClaimState.ACCEPTED))
    @rule(which=somewhere, denied=st.booleans())
    def hear(self, which: int, denied: bool) -> None:
        """The payer says what it has of a claim whose answer is open."""
        told["heard"] += 1
        open_ones = of_state(self.record, ClaimState.UNKNOWN, ClaimState.ACCEPTED)
        self.learn(open_ones[which % len(open_ones)], denied=denied)

    @precondition(lambda self: self.answered)
    @rule(which=somewhere)
    def hear_again(self, which: int) -> None:
        """An answer comes a second time."""
        told["heard again"] += 1
        before = self.record.entries
        news = self.answered[which % len(self.answered)]
        self.record = self.stepped([Reading("again", self.tick().now, news=news)])
        assert self.record.entries == before

    def learn(self, claim: ClaimOnFile, *, denied: bool) -> None:
        """By the payer's own books: the answer, or that it never had the claim."""
        if claim.claim.id in self.desk.taken:
            self.happened(claim, E.ADJUDICATE, answer=self.desk.answer(claim, denied=denied))
        else:
            self.happened(claim, E.NOT_SENT)

    # ------------------------------------------------------------ what must hold

    def standing(self) -> list[tuple[Service, str]]:
        """What is due of the services that the oracle knows, with the payer."""
        return [
            (
                Service(0, c.charge.code, c.charge.start, c.charge.entity, c.charge.units),
                c.charge.coverage.split("|")[0],
            )
            for c in self.record.charges
            if c.status is not ChargeStatus.VOID and c.charge.code in ALL
        ]

    def owed(self) -> Owed:
        """What the oracle says."""
        return owed(self.arrived, self.setting)

    @invariant()
    def all_holds(self) -> None:
        """Everything below, after each step."""
        self.rules += 1
        self.it_is_what_the_oracle_says()
        self.nothing_is_lost_or_doubled()

    def it_is_what_the_oracle_says(self) -> None:
        """Due and held, service by service."""
        says = self.owed()
        assert Counter(self.standing()) == says.due
        kept = Counter(
            Service(0, hold.would.code, hold.would.start, hold.would.entity, hold.would.units)
            for hold in self.record.holds
            if hold.would is not None and hold.would.code in ALL and not hold.instead_of
        )
        assert kept == says.held

    def nothing_is_lost_or_doubled(self) -> None:
        """Every event has an outcome, every slot one charge, every charge one live claim, every cent a place."""
        slots_owed_once(self.record)
        assert not lost(self.record)
        billed_once(self.record)
        ready_claims_say_what_is_due(self.record)
        every_cent_is_somewhere(self.record)
        assert not self.desk.doubled

    def teardown(self) -> None:
        """Order played no part; then everything arrives, leaves and is answered, and the net is what is owed."""
        told["rules"] += self.rules
        self.in_another_order()
        if self.waiting:
            self.arrived_now(*self.waiting)
            self.waiting.clear()
        self.today = max(self.today, workday(DAYS)) + timedelta(days=40)
        self.record = self.stepped([])
        for _ in range(200):
            claim = next(iter(of_state(self.record, ClaimState.READY, ClaimState.UNKNOWN, ClaimState.ACCEPTED)), None)
            if claim is None:
                break
            if claim.state is ClaimState.READY:
                self.happened(claim, E.SEND)
                self.desk.take(claim.claim)
            self.learn(claim, denied=False)
        else:
            raise AssertionError("claims are open for ever")
        self.all_holds()
        self.the_net_is_what_is_owed()

    def in_another_order(self) -> None:
        """The same set in another order, in one step, gives the same bills and holds while nothing was sent."""
        everything = [r for message in self.arrived for r in telling.readings(message, self.setting)]
        random.Random(len(everything)).shuffle(everything)
        another = step(PersonRecord(PERSON), everything, house(self.setting, self.cycle), self.tick())
        assert [_bill(c) for c in due(another)] == [_bill(c) for c in due(self.record)]
        assert held(another) == held(self.record)
        if not self.desk.taken and not self.answered:
            told["compared whole"] += 1
            assert due(another) == due(self.record)

    def the_net_is_what_is_owed(self) -> None:
        """Claims with their corrections, at the payer: every standing charge once, at what it says, and nothing else."""
        net = Counter(
            (line.code, line.start, line.units, line.amount, entity, payer)
            for (line, payer, entity), count in self.desk.net().items()
            for _ in range(count)
        )
        assert net == Counter(
            (
                c.charge.code,
                c.charge.start,
                c.charge.units,
                c.charge.amount,
                c.charge.entity,
                c.charge.coverage.split("|")[0],
            )
            for c in self.record.charges
            if c.status is not ChargeStatus.VOID
        )
        known = Counter({key: n for key, n in net.items() if key[0] in ALL})
        says = Counter(
            (s.code, s.day, s.units, int(telling.price(s.code) * 100) * s.units, s.entity, payer)
            for (s, payer), n in self.owed().due.items()
            for _ in range(n)
        )
        assert known == says


def _bill(charge: object) -> object:
    """A charge without what is pinned once it was sent: price and diagnoses."""
    return replace(charge, price=None, diagnoses=())  # type: ignore[type-var]
