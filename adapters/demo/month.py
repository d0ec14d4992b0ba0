"""A clinic's month through the real intake: MLLP and HTTP listeners, store on disk, stub payer, the clock walked on."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from adapters.demo.day import PATIENCE, Walking, lay_out, part_of_site, payer_books
from adapters.model.record import PersonRecord
from adapters.serve.http import create_app
from adapters.serve.server import serving
from adapters.settings import Settings
from adapters.wiring import WalkedClock, Wired
from fhir_server_stub import ehr
from fhir_server_stub.course import Outgoing
from fhir_server_stub.month import Month, make_month
from fhir_server_stub.month_infusion import DOSES
from fhir_server_stub.payer import Stub
from fhir_server_stub.server import running

EVERY_HOURS = 4
"""Messages of so many hours are sent one after the other and worked together, as when the workers lag behind."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the month went, in seconds of the machine's own clock."""

    messages: int
    taking: float
    """From the first byte of a message to its acknowledgement, all messages added."""
    whole: float
    """All that was done meanwhile: reading, deriving, claiming, posting."""


@dataclass(frozen=True, slots=True)
class Played:
    """What a month left behind."""

    month: Month
    wired: Wired
    records: tuple[PersonRecord, ...]
    books: dict[str, Any]
    """The payer's own ledger, as it gave it over HTTP."""
    refused: tuple[str, ...]
    """What the door answered to messages that it did not take."""
    payer_url: str
    """Where the payer can be asked while the play is open."""
    pace: Pace


@contextlib.contextmanager
def played_month(folder: Path, seed: int, courses: int) -> Iterator[Played]:
    """Play the month of the seed and hand over what it left; sockets close at the end."""
    month = make_month(seed, courses)
    clock = WalkedClock(month.begins - timedelta(minutes=1))
    payer = Stub(month.payer(), now=clock.now)
    with contextlib.ExitStack() as stack:
        payer_url = stack.enter_context(running(payer))
        settings = _laid_out(folder, payer_url)
        walking = Walking.begun(stack, settings, clock)
        doors = {
            door: f"{stack.enter_context(serving(create_app(walking.wired, fhir_feed=feed), '127.0.0.1', 0))}/fhir"
            for door, feed in (("", "ehr"), (DOSES, "doses"))
        }
        walk = _Walk(walking, doors)
        began = time.monotonic()
        walk.through(month)
        pace = Pace(len(month.messages), walk.taking, time.monotonic() - began)
        books = payer_books(payer_url)
        yield Played(month, walking.wired, walking.records(), books, tuple(walk.refused), payer_url, pace)


def _laid_out(folder: Path, payer_url: str) -> Settings:
    """The demo's folder, its site file with what the month has beside it."""
    settings = lay_out(folder, payer_url)
    with settings.site.open("a", encoding="utf-8") as site:
        site.write(part_of_site("month.toml", payer_url))
    return settings


class _Walk:
    """The way through the month: a few hours' messages are sent, then worked; in between what falls due is done."""

    def __init__(self, walking: Walking, doors: Mapping[str, str]) -> None:
        self.walking, self.doors = walking, doors
        self.taking = 0.0
        self.refused: list[str] = []

    def through(self, month: Month) -> None:
        """Send everything, and walk on until nothing more happens by itself."""
        for _, run in itertools.groupby(month.messages, key=lambda message: _batch(message.at)):
            messages = list(run)
            self.walking.nights(messages[0].at)
            self.walking.clock.walk(messages[-1].at)
            self._send(messages)
            self.walking.taken()
        self.walking.to_rest(month.ends + PATIENCE)

    def _send(self, messages: Sequence[Outgoing]) -> None:
        """Each channel's messages in their order, as its sender sends them."""
        for (channel, door), run in itertools.groupby(messages, key=lambda message: (message.channel, message.door)):
            bodies = [message.wire for message in run]
            began = time.monotonic()
            if channel == "mllp":
                acks = ehr.send_mllp(*self.walking.mllp, bodies)
                self.refused += [f"{ack.code} to {ack.control_id}" for ack in acks if not ack.accepted]
            else:
                answers = [ehr.post_bundle(self.doors[door], body) for body in bodies]
                self.refused += [f"status {one.status_code}" for one in answers if not one.is_success]
            self.taking += time.monotonic() - began


def _batch(at: datetime) -> datetime:
    return at.replace(hour=at.hour - at.hour % EVERY_HOURS, minute=0, second=0, microsecond=0)
