"""The day itself: stub and adapter on loopback, the story played message by message, the clock walked on to the end."""

from __future__ import annotations

import contextlib
import json
import shutil
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

from adapters.errors import BadSetup
from adapters.model.claim import ClaimState
from adapters.model.record import PersonRecord
from adapters.serve.http import create_app
from adapters.serve.lanes import Lanes
from adapters.serve.mllp import start_mllp
from adapters.serve.server import serving
from adapters.settings import Settings, rules_of, site_of
from adapters.store import KeyRing
from adapters.wiring import WalkedClock, Wired, wire
from fhir_server_stub import ehr, scenario
from fhir_server_stub.course import Story
from fhir_server_stub.payer import Stub
from fhir_server_stub.server import running
from fhir_server_stub.story import make_story

OPEN = frozenset({ClaimState.READY, ClaimState.UNKNOWN, ClaimState.ACCEPTED, ClaimState.QUEUED})
"""States that time alone still moves; a demo that ends with one of them has not ended."""
PATIENCE = timedelta(days=40)
"""How long after the last message the clock is walked on, so that every cycle closes and every pended claim is asked for."""


@dataclass(frozen=True, slots=True)
class Day:
    """What a demo day left behind."""

    story: Story
    wired: Wired
    records: tuple[PersonRecord, ...]
    books: dict[str, Any]
    """The payer's own ledger, as it gave it over HTTP."""
    sent: tuple[ehr.Sent, ...]
    addresses: tuple[tuple[str, str], ...]


def lay_out(folder: Path, payer_url: str) -> Settings:
    """A fresh folder of the demo: site file, fee table, store. Only files of an earlier demo are removed.

    Raises `BadSetup` for a folder with a site file of somebody else's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "site.toml").exists() and not (folder / "demo.keys").exists():
        raise BadSetup((f"{folder}: there is a site file that is not the demo's: name another --folder",))
    for old in folder.glob("demo.db*"):
        old.unlink()
    (folder / "site.toml").write_text(part_of_site("site.toml", payer_url), encoding="utf-8")
    with resources.as_file(resources.files("adapters.demo").joinpath("fees.csv")) as fees:
        shutil.copyfile(fees, folder / "fees.csv")
    return Settings(store=f"sqlite:///{folder / 'demo.db'}", site=folder / "site.toml", keys=folder / "demo.keys")


def part_of_site(name: str, payer_url: str) -> str:
    """A shipped part of the site file, each of its payers at the stub's address."""
    text = resources.files("adapters.demo").joinpath(name).read_text(encoding="utf-8")
    return text.replace("[payers.endpoint]", f'[payers.endpoint]\nbase_url = "{payer_url}/fhir"')


@dataclass(frozen=True, slots=True)
class Walking:
    """Our side over a folder that is laid out, listening for HL7 v2, and the clock by which everything happens."""

    wired: Wired
    lanes: Lanes
    clock: WalkedClock
    mllp: tuple[str, int]

    @classmethod
    def begun(cls, stack: contextlib.ExitStack, settings: Settings, clock: WalkedClock) -> Walking:
        """All of it as it begins; what was opened closes with the stack."""
        keys = KeyRing.load(settings.keys) if settings.keys.exists() else KeyRing.generate(settings.keys)
        site = site_of(settings.site, rules_of())
        wired = stack.enter_context(
            wire(settings, clock=clock, keys=keys, site=site, sleep=lambda _seconds: None, create=True, writes=True)
        )
        listener = start_mllp(wired, "127.0.0.1", 0, "mosaiq")
        stack.callback(listener.close)
        lanes = Lanes(wired.store, wired.house, wired.payers, clock)
        return cls(wired, lanes, clock, ("127.0.0.1", listener.port))

    def nights(self, until: datetime) -> None:
        """Run what is due at every hour that something falls due between now and the instant."""
        store, clock = self.wired.store, self.clock
        while True:
            next_due = store.next_due()
            if next_due is None or next_due > until:
                clock.walk(max(clock.now(), until))
                return
            clock.walk(max(clock.now(), next_due))
            self.lanes.run_due(clock.now())
            self.lanes.work()
            if store.next_due() == next_due:  # whatever is due waits for something else; do not stand still
                clock.walk(clock.now() + timedelta(hours=1))
                if clock.now() > until:
                    return

    def taken(self) -> None:
        """Work on what has come, and do what is due by now."""
        self.lanes.work()
        self.lanes.run_due(self.clock.now())

    def to_rest(self, end: datetime) -> None:
        """Walk on night by night, to the end or until nothing more happens by itself."""
        while self.clock.now() < end:
            self.nights(self.clock.now() + timedelta(days=1))
            if not self._moving():
                break

    def records(self) -> tuple[PersonRecord, ...]:
        """All that is on file of persons."""
        return tuple(self.wired.store.load(person) for person in self.wired.store.lanes())

    def _moving(self) -> bool:
        """Whether time alone will still change something."""
        if self.wired.store.next_due() is not None:
            return True
        return any(found.value.state in OPEN for found in self.wired.store.claims())


@contextlib.contextmanager
def played(folder: Path, seed: int | None) -> Iterator[Day]:
    """Play the day of the seed (none: the fixed demo course) and hand over what it left; sockets close at the end."""
    story = make_story(seed)
    clock = WalkedClock(story.begins - timedelta(minutes=1))
    script = scenario.shipped("demo") if seed is None else scenario.drawn(seed)
    payer = Stub(script, now=clock.now)
    with contextlib.ExitStack() as stack:
        payer_url = stack.enter_context(running(payer))
        settings = lay_out(folder, payer_url)
        walking = Walking.begun(stack, settings, clock)
        base_url = stack.enter_context(serving(create_app(walking.wired), "127.0.0.1", 0))
        sent = _walked(walking, story, f"{base_url}/fhir")
        yield Day(
            story=story,
            wired=walking.wired,
            records=walking.records(),
            books=payer_books(payer_url),
            sent=sent,
            addresses=(
                ("stub EHR and payer (FHIR)", f"{payer_url}/fhir"),
                ("adapter, HL7 v2 over MLLP", f"mllp://127.0.0.1:{walking.mllp[1]}"),
                ("adapter, FHIR", f"{base_url}/fhir"),
            ),
        )


def _walked(walking: Walking, story: Story, fhir_base: str) -> tuple[ehr.Sent, ...]:
    """Send each message at its time, do what is due, and walk the clock on until nothing more happens by itself."""
    sent: list[ehr.Sent] = []
    before: datetime | None = None
    for at in sorted({message.at for message in story.messages}):
        walking.nights(at)
        walking.clock.walk(at)
        sent.extend(ehr.play(story, mllp=walking.mllp, fhir_base=fhir_base, since=before, until=at))
        walking.taken()
        before = at
    walking.to_rest(story.ends + PATIENCE)
    return tuple(sent)


def payer_books(payer_url: str) -> dict[str, Any]:
    """The payer's ledger, asked for over HTTP like anybody would."""
    with urllib.request.urlopen(f"{payer_url}/control/books", timeout=10) as answer:  # noqa: S310 - loopback, our stub
        books: dict[str, Any] = json.loads(answer.read())
        return books
