"""A clinic, its senders and its payers in one process and one thread, everything drawn from one seed (promise P15).

The whole program runs: intake, store, lanes, payer client; only sockets, threads of its own and the machine's clock are
left out. While the storm rages messages come late, twice or not at all, writes are refused, the program dies between two
durable steps and is put together again on the same store, clocks are wrong, and payers do what payers do. Then the storm
ends, time goes on, everything settles, and `problems` says whatever is not as it must be.

    python -m tests.properties.simulation SEED        # that seed alone, with its trace
"""

from __future__ import annotations

import contextlib
import hashlib
import heapq
import shutil
import ssl
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from adapters.errors import StoreDown
from adapters.payers import PayerClient
from adapters.pipeline import House
from adapters.pipeline.receive import receive_fhir, receive_v2
from adapters.serve.lanes import Lanes
from adapters.store import KeyRing, open_store
from adapters.wiring import WalkedClock
from fhir_server_stub.payer import Stub
from tests.model.clinic import ZONE, rules
from tests.properties import network, settled, telling
from tests.properties.network import Network, Office
from tests.properties.plans import Plan, plan
from tests.properties.telling import FIRST_DAY, PAYERS, Message
from tests.properties.weather import Crash, Storm, StormyStore

KEYS = KeyRing.ephemeral("simulation")
PATIENCE = timedelta(days=90)
"""How long after the storm everything has to settle."""
_SKEW = 600
"""Seconds by which the program's clock is wrong at most."""


def scratch() -> Path:
    """A folder in memory where there is one: what is simulated is not the disk."""
    memory = Path("/dev/shm")  # noqa: S108  # a folder of our own is made in it
    return Path(tempfile.mkdtemp(prefix="simulation-", dir=memory if memory.is_dir() else None))


@cache
def _empty_store() -> bytes:
    """The file of a store in which nothing is: made once, copied for every seed."""
    folder = scratch()
    try:
        open_store(f"sqlite:///{folder}/s.db", KEYS, create=True).close()
        return (folder / "s.db").read_bytes()
    finally:
        shutil.rmtree(folder)


@cache
def _trust() -> ssl.SSLContext:
    """Of the payer client, which never comes to use it here."""
    return ssl.create_default_context()


@dataclass(slots=True)
class Ending:
    """What a seed came to."""

    seed: int
    plan: Plan
    trace: str
    """SHA-256 over everything that happened, in order, and what was on file in the end."""
    fired: Counter[str]
    places: Counter[str]
    problems: tuple[str, ...]
    told: tuple[str, ...] = field(repr=False, default=())
    parked: int = 0
    """Claims whose fate waits for a person."""
    claims: int = 0
    billed: Counter[tuple[object, ...]] = field(repr=False, default_factory=Counter)
    """Lines that count at the payers: payer, code, day, units, amount."""


class World:
    """One seed, from the first message to the last cent."""

    def __init__(self, seed: int, folder: Path, *, keep: bool = False, only: str = "") -> None:
        """`only` leaves one thing to go wrong: `clock`, or `nothing`; what is said and when is the same."""
        self.seed = seed
        self.only = only
        self.dice = Random(seed)
        self.storm = Storm(Random(f"storm {seed}"))
        self.plan = plan(self.dice, self.storm)
        self.true = datetime.combine(FIRST_DAY - timedelta(days=1), time(11), ZONE).astimezone(UTC)
        self.skew = timedelta()
        self.clock = WalkedClock(self.true)
        self.offices = {
            f"{name}.example": Office(
                f"{name}.example", kind, Stub(network.scenario(self.dice, kind), now=lambda: self.true)
            )
            for name, kind in zip(PAYERS, self.plan.kinds, strict=True)
        }
        endpoints = tuple(network.endpoint(office.kind, host) for host, office in self.offices.items())
        self.site = telling.clinic(self.plan.setting, cycle=self.plan.cycle, endpoints=endpoints)
        self.house = House.of(rules(), self.site)
        trouble = 0.0 if only else self.plan.trouble
        self.network = Network(self.offices, self.storm, lambda: self.true, self.later, trouble)
        self.file = folder / f"{seed}.db"
        self.file.write_bytes(_empty_store())
        self.store: Any = None
        self.lanes: Lanes | None = None
        self.client: PayerClient | None = None
        self._digest = hashlib.sha256()
        self.told: list[str] | None = [] if keep else None
        self._agenda: list[tuple[datetime, int, str, Callable[[], None]]] = []
        self._order = count()
        self.acknowledged: Counter[str] = Counter()

    # ------------------------------------------------------------ time

    def later(self, wait: timedelta, what: str, act: Callable[[], None]) -> None:
        """Put something on the agenda."""
        heapq.heappush(self._agenda, (self.true + wait, next(self._order), what, act))

    def note(self, words: str) -> None:
        """Into the trace."""
        self._digest.update(words.encode() + b"\n")
        if self.told is not None:
            self.told.append(words)

    def walk(self, to: datetime) -> None:
        """True time goes on; the program's clock is as wrong as it is."""
        self.true = max(self.true, to)
        self.clock.walk(self.true + self.skew)

    def play(self) -> None:
        """Do what is on the agenda until nothing is left of it."""
        while self._agenda:
            at, _, what, act = heapq.heappop(self._agenda)
            self.walk(at)
            try:
                act()
                came = "done"
            except StoreDown:
                came = "store down"
            except Crash as crash:
                came = f"crash at {crash}"
                self.dead()
            writes, self.storm.written = self.storm.written, []
            calls, self.network.log = self.network.log, []
            self.note(f"{at.isoformat()} {self.skew.total_seconds():.0f} {what}: {came} {writes} {calls}")

    # ------------------------------------------------------------ the program

    def program(self) -> tuple[Any, Lanes]:
        """Store and lanes, put together where they are not."""
        if self.lanes is None:
            self.storm.asked()
            self.store = StormyStore(open_store(f"sqlite:///{self.file}", KEYS, self.clock), self.storm)
            self.client = PayerClient(
                sleep=lambda _seconds: None, verify=_trust(), now=self.clock.now, transport=self.network
            )
            self.lanes = Lanes(self.store, self.house, self.client, self.clock)
        return self.store, self.lanes

    def dead(self) -> None:
        """The process is gone, with everything that it kept in memory."""
        if self.lanes is not None:
            self.lanes = None
            self.client.close()
            self.store._store.close()

    def work(self) -> None:
        """The worker looks at what waits."""
        self.program()[1].work()

    def due(self) -> None:
        """What is due is done."""
        self.note(f"{self.program()[1].run_due()} calls")

    def seal(self) -> None:
        """What no seal holds is sealed."""
        self.program()[0].seal(self.clock.now())

    # ------------------------------------------------------------ the senders

    def send(self, message: Message) -> None:
        """A sender sends, and again until it is acknowledged."""
        again = timedelta(seconds=self.storm.dice.randint(30, 7200))
        if self.storm.chance("message not sent", 0.1):
            self.later(again, f"send {message.id}", lambda: self.send(message))
            return
        try:
            self._intake(message)
        except (StoreDown, Crash):
            self.later(again, f"send {message.id}", lambda: self.send(message))
            raise
        if self.storm.chance("acknowledgement lost", 0.1):
            self.later(again, f"send {message.id}", lambda: self.send(message))
            return
        self.acknowledged[message.id] += 1
        if self.storm.chance("message sent again", 0.1):
            self.later(again, f"send {message.id} again", lambda: self._intake(message))
        self.later(timedelta(seconds=self.storm.dice.randint(0, 1800)), "work", self.work)

    def _intake(self, message: Message) -> None:
        now = self.clock.now()
        if message.feed == "ehr":
            intake = receive_fhir(message.wire, feed="ehr", path_type="Bundle", method="POST", now=now)
        else:
            intake = receive_v2(message.wire, listener=message.feed, peer="", site=self.site, now=now, ack_id="A1")
        assert intake.receipt is not None
        received = self.program()[0].receive(intake.receipt)
        self.note(f"{received.entry} {received.repeated}")

    # ------------------------------------------------------------ from the first to the last

    def storms(self, end: timedelta) -> None:
        """Put what goes wrong on the agenda, up to that time from now."""
        dice = self.storm.dice
        if self.only:
            self.storm.calm = True
        hours = int(end.total_seconds() // 3600)

        def at(what: str, act: Callable[[], None], times: int) -> None:
            for _ in range(times):
                self.later(timedelta(seconds=dice.randint(0, hours * 3600)), what, act)

        if self.only:
            at("clock", self._clock_wrong, 60 if self.only == "clock" else 0)
            return
        at("crash ahead", self._crash_ahead, dice.randint(0, 8))
        at("store away", self._store_away, dice.randint(0, 2))
        at("disk full", self._disk_full, dice.randint(0, 2))
        at("clock", self._clock_wrong, dice.randint(0, 4))
        for office in self.offices.values():
            at(f"{office.host} away", lambda office=office: self._away(office), dice.randint(0, 2))

    def _crash_ahead(self) -> None:
        self.storm.writes_to_crash, self.storm.after = self.storm.dice.randint(0, 12), self.storm.dice.random() < 0.5

    def _store_away(self) -> None:
        self.storm.store_down = True

        def back() -> None:
            self.storm.store_down = False

        self.later(timedelta(seconds=self.storm.dice.randint(60, 6 * 3600)), "store back", back)

    def _disk_full(self) -> None:
        self.storm.full = self.storm.dice.randint(1, 6)

    def _clock_wrong(self) -> None:
        skew = timedelta(seconds=self.storm.dice.randint(-_SKEW, _SKEW))
        if skew < self.skew:
            self.storm.fired["clock set back"] += 1
        self.storm.fired["clock ahead" if skew > timedelta() else "clock behind"] += 1
        self.skew = skew

    def _away(self, office: Office) -> None:
        office.away = True

        def back() -> None:
            office.away = False

        self.later(timedelta(seconds=self.storm.dice.randint(600, 30 * 3600)), f"{office.host} back", back)

    def run(self) -> Ending:
        """Everything, and what came of it."""
        last = max(at for at, _ in self.plan.messages)
        end = last - self.true + timedelta(days=4)
        for at, message in self.plan.messages:
            self.later(at - self.true, f"send {message.id}", lambda message=message: self.send(message))
        self.storms(end)
        for what, act, apart in (("work", self.work, 36), ("due", self.due, 12), ("seal", self.seal, 72)):
            wait = timedelta(hours=self.storm.dice.randint(1, apart))
            while wait < end:
                self.later(wait, what, act)
                wait += timedelta(hours=self.storm.dice.randint(1, apart), minutes=self.storm.dice.randint(0, 59))
        self.play()
        self._calm()
        problems = tuple(settled.problems(self))
        for words in settled.spelled(self):
            self.note(words)
        records = settled.records(self)
        ending = Ending(
            self.seed,
            self.plan,
            self._digest.hexdigest(),
            self.storm.fired,
            self.storm.places,
            problems,
            tuple(self.told or ()),
            parked=sum(claim.state in settled.OPEN for record in records for claim in record.claims),
            claims=sum(len(record.claims) for record in records),
            billed=settled.billed(self),
        )
        self.dead()
        return ending

    def _calm(self) -> None:
        """The storm is over; what is left is done in its time."""
        self.storm.raging, self.storm.store_down, self.storm.full = False, False, 0
        self.storm.writes_to_crash, self.skew = None, timedelta()
        for office in self.offices.values():
            office.away = False
        begin = self.true
        while self.true < begin + PATIENCE:
            self.later(timedelta(), "work", self.work)
            self.later(timedelta(seconds=1), "due", self.due)
            self.play()
            following = self.store.next_due()
            if following is None or not settled.moving(self):
                break
            self.walk(max(following, self.true + timedelta(minutes=1)))
        self.later(timedelta(), "seal", self.seal)
        self.play()


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A scratch folder, gone afterwards."""
    made = scratch()
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def simulate(seed: int, *, keep: bool = False, only: str = "") -> Ending:
    """Play one seed in a folder of its own."""
    with folder() as made:
        return World(seed, made, keep=keep, only=only).run()


def main() -> int:
    """Play the seeds named on the command line, with their traces."""
    worst = 0
    for seed in map(int, sys.argv[1:]):
        ending = simulate(seed, keep=True)
        print("\n".join(ending.told))
        print(f"seed {seed}: {ending.plan.setting}, {ending.plan.kinds}, trace {ending.trace}")
        print("\n".join(ending.problems) or "all is well")
        worst |= bool(ending.problems)
    return worst


if __name__ == "__main__":
    sys.exit(main())
