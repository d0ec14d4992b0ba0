"""Kills at the durable steps of a message's path: where they lie, and a clinic that goes through them."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.sender import Sender, wait_for
from tests.e2e.tracing import Call, calls, end, killing


@dataclass(frozen=True, slots=True)
class Point:
    """As a thread begins its `number`-th call of this name. `step` says which step of the path that is."""

    call: str
    number: int
    step: str
    files: tuple[str, ...] = ()
    """Only calls about these files of the clinic count."""

    @property
    def stopping(self) -> bool:
        """Whether it is reached only when the service is told to stop."""
        return self.step.startswith(_STOPPING)


_STOPPING = "stopping"


def points(trace: Path, folder: Path) -> list[Point]:
    """Every durable step of a recorded life, in order: writes and syncs of files, the call to the payer.

    A number is reached by the thread that comes to it first, so that of two threads with as many calls of one name
    the later one has no point. The checkpoint at the end is counted by calls about the database alone.
    """
    database = str(folder / "store.db")
    reached: set[tuple[str, int]] = set()
    own: Counter[tuple[int, str]] = Counter()
    of_database: Counter[str] = Counter()
    found = []
    for call, step in _steps(calls(trace), folder):
        own[call.thread, call.name] += 1
        number = own[call.thread, call.name]
        in_database = call.file == database
        of_database[call.name] += in_database
        if in_database and step:
            found.append(Point(call.name, of_database[call.name], step, ("store.db", "store.db.head.part")))
        elif (call.name, number) not in reached:
            reached.add((call.name, number))
            if step:
                found.append(Point(call.name, number, step))
    return found


def last_step(trace: Path, folder: Path) -> str:
    """At which step a killed life ended; empty where that was none of them."""
    step = ""
    for call, named in _steps(calls(trace), folder):
        step = named if call.result is None else step
    return step


@dataclass(slots=True)
class _Path:
    """How far a message has come in a trace, and which transaction since then it is at."""

    stage: str = "starting"
    transaction: int = 1

    def go(self, call: Call) -> None:
        """One call further."""
        if call.name == "signal":
            self._reach(_STOPPING if call.words == "SIGTERM" else self.stage)
        if call.result is None or call.result < 0:
            return
        if call.name == "fdatasync" and call.file.endswith("-wal"):
            self.transaction += 1
        for name, words, stage in _STAGES:
            if call.name == name and words in call.words:
                self._reach(stage)

    def _reach(self, stage: str) -> None:
        if stage != self.stage:
            self.stage, self.transaction = stage, 1


_STAGES = (
    ("recvfrom", "MSH|", "message came"),
    ("sendto", "MSH|", "acknowledged"),
    ("sendto", "POST /fhir/Claim/$submit", "claim leaves"),
    ("recvfrom", "HTTP/1.1 ", "payer answered"),
    ("rename", ".head", "sealed"),
)


def _steps(those: Iterable[Call], folder: Path) -> Iterator[tuple[Call, str]]:
    """Each call with the step that it is: what was reached on the path so far, and what is done to what."""
    path = _Path()
    for call in sorted(those, key=lambda call: call.began):
        what = _what(call, path.stage, folder)
        yield call, f"{path.stage}, {path.transaction}: {what}" if what else ""
        path.go(call)


def _what(call: Call, stage: str, folder: Path) -> str:
    at = call.file
    if call.name == "connect" and "AF_INET" in call.words:
        return "the payer is called"
    if call.name == "sendto" and at.startswith("TCP") and stage in ("acknowledged", "claim leaves"):
        return "head or body of the claim leaves"
    if call.name == "sendto" and at.startswith("UNIX") and stage == "message came":
        return "the listener is told of the commit"
    if call.name in ("rename", "unlink"):
        return f"{call.name} of {_plain(call.words.split(',')[0].strip(chr(34)), folder)}"
    if call.name in _FILES and at.startswith(str(folder)) and not at.endswith(("-shm", ".err", ".out")):
        return f"{_FILES[call.name]} {_plain(at, folder)}"
    return ""


_FILES = {
    "write": "write to",
    "pwrite64": "write to",
    "ftruncate": "end of",
    "fsync": "sync of",
    "fdatasync": "sync of",
}


def _plain(path: str, folder: Path) -> str:
    name = Path(path).name
    kinds = {folder.name: "folder", "store.db": "database", "store.db-wal": "log", "store.db-shm": "index"}
    return kinds.get(name, name.removeprefix("store.db."))


def spread(found: Sequence[Point], first: Sequence[str], number: int, chance: random.Random) -> list[Point]:
    """So many points: one of every step, those before all whose names end like `first`, then more, at random."""
    steps: dict[str, list[Point]] = defaultdict(list)
    for point in sorted(found, key=lambda point: not point.step.endswith(tuple(first))):
        steps[point.step].append(point)
    for those in steps.values():
        chance.shuffle(those)
    turns = itertools.zip_longest(*steps.values())
    once = [point for turn in turns for point in turn if point is not None]
    return list(itertools.islice(itertools.cycle(once), number))


@dataclass(slots=True)
class Bench:
    """A clinic, its payer, a sender that is attached, and a service that is killed again and again."""

    clinic: Any
    payer: str
    script: str
    dft: Callable[..., bytes]
    name: str
    sender: Sender = field(init=False)
    process: subprocess.Popen[bytes] | None = None
    lives: int = 0
    sent: int = 0

    def __post_init__(self) -> None:
        self.sender = Sender(free_port()).start()

    @property
    def folder(self) -> Path:
        """Where the clinic keeps its files."""
        return Path(self.clinic.folder)

    def trace(self) -> Path:
        """The trace of the present life."""
        return self.folder / f"trace{self.lives}"

    def message(self) -> None:
        """Have one more message sent: a charge of one more person, always on the same days."""
        self.sent += 1
        control = f"{self.name}-{self.sent}"
        self.sender.send(control, self.dft(control, mrn=f"TP-{self.sent}", member=f"HB-{self.sent:05d}"))

    def start(self, point: Point | None = None) -> subprocess.Popen[bytes]:
        """A life of the real service, which ends at that point."""
        self.lives += 1
        words = killing(self.trace())
        if point is not None:
            words = killing(self.trace(), point.call, point.number, [str(self.folder / name) for name in point.files])
        return self.run(*words, self.script)

    def run(self, *program: str) -> subprocess.Popen[bytes]:
        """Run `serve` of this program on the sender's port."""
        ports = ("--mllp-port", str(self.sender.port), "--http-port", "0", "--health-port", "0")
        with (self.folder / "serve.err").open("ab") as errors:
            self.process = subprocess.Popen(
                [*program, "serve", *ports],
                cwd=self.clinic.folder,
                env={**os.environ, **self.clinic.environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
        return self.process

    def close(self) -> None:
        """End sender and service, whatever they are at."""
        self.sender.end()
        if self.process is not None and self.process.poll() is None:
            end(self.process, signal.SIGKILL)

    def live(self, point: Point, seconds: float = 8.0) -> str:
        """One life with a message on the way; the step at which it was killed.

        A life that does not come to its point (the path is another one when something was left undone) is killed when
        all is done, or after so many seconds.
        """
        process = self.start(point)
        ended = False
        try:
            if not self.sender.waiting:
                self.message()
            ended = wait_for(lambda: process.poll() is not None or self.idle(), seconds, 0.05)
            if point.stopping and process.poll() is None:
                end(process, signal.SIGTERM)
            else:
                wait_for(lambda: process.poll() is not None, 0.3 if ended else 0.0)
        finally:
            end(process, signal.SIGKILL)
        return last_step(self.trace(), self.folder)

    def record(self) -> list[Point]:
        """The durable steps of a life that nobody kills: one message, until it is sealed, then the stop."""
        process = self.start()
        self.message()
        try:
            assert wait_for(self.idle, 30, 0.05)
            time.sleep(0.3)
        finally:
            end(process, signal.SIGTERM)
        return points(self.trace(), self.folder)

    def idle(self) -> bool:
        """Whether all that was sent is acknowledged, and at the payer, and sealed."""
        trace = self.trace()
        if self.sender.waiting or not trace.exists() or " rename(" not in trace.read_text(errors="replace"):
            return False
        return len(self.accounts()) >= self.sent

    def accounts(self) -> list[dict[str, Any]]:
        """The payer's own books: claims that took effect."""
        claims: list[dict[str, Any]] = asked(self.payer, "books")["claims"]
        return claims


def asked(payer: str, what: str) -> dict[str, Any]:
    """What the payer says of itself."""
    with urllib.request.urlopen(f"{payer.removesuffix('/fhir')}/control/{what}", timeout=10) as answer:  # noqa: S310
        said: dict[str, Any] = json.loads(answer.read())
    return said


def free_port() -> int:
    """A port that nobody listens on."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port: int = taken.getsockname()[1]
    return port
