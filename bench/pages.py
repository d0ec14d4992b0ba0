"""How long a person waits for a page: p50 and p95 of every page on a store of 100,000 charges, over a socket.

The store is filled by stepping courses of forty fractions, one a person, without the journal's messages but for some
that the message pages show; then the pages are served as `serve` does, and one browser asks for them by turns. Beside
each figure stands the aim, 100 ms, and what the processor did meanwhile, the browser's part with it: that alone says
something on a machine that others use. `--charges 10000` for a quick look; `--store FOLDER` fills a folder once, and
takes what is there the next time.
"""

from __future__ import annotations

import argparse
import hashlib
import http
import http.client
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path

from _clinic import ZONE, Told, course, house, readings
from _common import Row, amount, folder, keep, machine, table

from adapters.cli.collecting import collect_seldom
from adapters.model.people import Identifier, PersonHint
from adapters.model.record import PersonRecord, Tick
from adapters.model.user import Role, User
from adapters.model.work import WorkItem, open_item
from adapters.pages.admission import COOKIE
from adapters.pages.links import Links
from adapters.pages.names import course_name
from adapters.payers import PayerClient
from adapters.pipeline import House, step
from adapters.pipeline.receive import receive_v2
from adapters.pipeline.stated import assembled
from adapters.pipeline.step import family_by
from adapters.serve.http import create_app
from adapters.serve.server import serving
from adapters.smart.passwords import Cost, secret_of
from adapters.store import KeyRing, SqlStore, open_store
from adapters.wiring import WalkedClock

AIM = 0.100
CHARGES = 100_000
MESSAGES = 500
ROUNDS = 40
LOOKING = 900
"""Seconds that a page is asked again which is made aside."""
PASSWORD = "a quiet harbour at dusk"  # noqa: S105  # of a store that is thrown away


@dataclass(frozen=True, slots=True)
class Program:
    """What the pages are served from."""

    store: SqlStore
    house: House
    clock: WalkedClock
    payers: PayerClient

    @property
    def site(self):
        """The site."""
        return self.house.site


def fill(store: SqlStore, at: House, charges: int) -> datetime:
    """Persons with a course each until there are so many charges; the instant after all of it."""
    kinds = [
        course(fractions, number, setting=where, ended=ended)
        for number, (fractions, where, ended) in enumerate(
            (n, where, ended) for n in (40, 28) for where in ("hospital", "freestanding") for ended in (True, False)
        )
    ]
    read = [readings(told, at) for told in kinds]
    made = number = 0
    latest = datetime.min.replace(tzinfo=UTC)
    while made < charges:
        told = kinds[number % len(kinds)]
        lane = store.person(PersonHint((Identifier("urn:bench", f"B{number}"),)), "")
        before = store.load(lane)
        last = max(message.at for message in told).astimezone(UTC) + timedelta(hours=1)
        after = step(before, read[number % len(kinds)], at, Tick(last, last.astimezone(ZONE).date()))
        later = last + timedelta(days=40)
        after = step(after, (), at, Tick(later, later.astimezone(ZONE).date()))
        # Of the same messages, yet another person's: their identifiers are left out.
        work = (*after.work, *_work(after, number, later))
        after = replace(after, identifiers=before.identifiers, work=work)
        store.save(before, after, tick=later)
        latest = max(latest, later)
        made += len(after.charges)
        number += 1
    _journal(store, at, [message for told in kinds for message in told][:MESSAGES])
    print(f"{number} persons, {made} charges, {len(store.worklist())} open items")
    return latest + timedelta(days=1)


def _work(record: PersonRecord, number: int, at: datetime) -> Iterator[WorkItem]:
    """Four things that wait: one with a deadline, about a claim where there is one."""
    about = record.claims[0].claim.id if record.claims else record.person
    for n in range(4):
        yield open_item(
            "denial" if n < 2 else "missed-charge",
            str(16 + n),
            about,
            category="bench",
            action="look at it",
            opened=at,
            amount=1000 + 37 * (number * 4 + n) % 50_000,
            due=at.date() + timedelta(days=number % 90) if n % 2 else None,
            person=record.person,
            which=str(n),
        )


def _journal(store: SqlStore, at: House, told: Sequence[Told]) -> None:
    """Some messages as they come in; they are not read again."""
    waiting = []
    for message in told:
        when = message.at.astimezone(UTC)
        intake = receive_v2(message.body, listener=message.feed, peer="", site=at.site, now=when, ack_id="BENCH")
        assert intake.receipt is not None
        waiting.append(store.receive_soon(intake.receipt))
    for one in waiting:
        store.close_entry(one.result().entry)


class Browser:
    """One connection that has signed in."""

    def __init__(self, address: str) -> None:
        host, _, port = address.removeprefix("http://").partition(":")
        self._own = address
        self._connection = http.client.HTTPConnection(host, int(port), timeout=60)
        self._cookie = ""
        body = f"name=bench&password={PASSWORD.replace(' ', '+')}".encode()
        self._connection.request("POST", "/sign-in", body, self._headers("application/x-www-form-urlencoded"))
        answer = self._connection.getresponse()
        answer.read()
        assert answer.status == 303, answer.status
        self._cookie = str(answer.getheader("set-cookie")).partition(";")[0]
        assert self._cookie.startswith(COOKIE)

    def _headers(self, media: str = "") -> dict[str, str]:
        return {"Origin": self._own, "Cookie": self._cookie, **({"Content-Type": media} if media else {})}

    def get(self, path: str) -> tuple[int, int, float]:
        """(status, bytes, seconds) of a page."""
        start = time.perf_counter()
        self._connection.request("GET", path, headers=self._headers())
        answer = self._connection.getresponse()
        size = len(answer.read())
        return answer.status, size, time.perf_counter() - start


def paths(program: Program) -> dict[str, str]:
    """Every page by what it is, each with something on it."""
    store, at = program.store, program.house
    lanes = store.lanes()
    record = store.load(lanes[len(lanes) // 2])
    (episode, *_) = assembled(record.person, record.events, family_by(at)).episodes
    found = {
        "today": "/today",
        "today, by money, of one kind": "/today?kind=hold&order=money",
        "courses": "/courses",
        "a course of forty fractions": f"/courses/{course_name(episode.id)}",
    }
    if items := store.worklist():
        found["one item of work"] = f"/work/{items[len(items) // 2].id}"
    if record.claims:
        found["claims"] = "/claims"
        found["one claim"] = f"/claims/{record.claims[0].claim.id}"
    if record.charges:
        found["why of a charge"] = f"/explain/{record.charges[0].id}"
    lines = store.messages(limit=10)
    if lines:
        found["messages"] = "/messages"
        found["one message"] = f"/messages/{lines[-1].id}"
    for path in ("/denials", "/payers", "/rules", "/reconcile", "/compare", "/search"):
        found[path.removeprefix("/")] = path
    return found


def main(charges: int, rounds: int, kept: Path | None) -> None:
    """Fill, serve, ask, print."""
    at = house()
    with folder() if kept is None else nullcontext(kept) as here:
        here.mkdir(parents=True, exist_ok=True)
        clock = WalkedClock(datetime.combine(datetime(2026, 1, 1, tzinfo=UTC), clock_time(12), UTC))
        ends, url = here / "ends", f"sqlite:///{here / 'pages.db'}"
        if not ends.exists():
            with open_store(url, KeyRing.generate(here / "keys"), clock, create=True) as store:
                start = time.perf_counter()
                after = fill(store, at, charges)
                print(f"filled in {time.perf_counter() - start:.0f} s")
                secret = secret_of(PASSWORD, hashlib.sha256(b"salt").digest()[:16], Cost(4, 1, 1))
                store.put_user(User("bench", Role.SUPERVISOR, secret, after), "console")
            ends.write_text(f"{after.isoformat()} {charges}")
        end, _, filled = ends.read_text().partition(" ")
        clock.walk(datetime.fromisoformat(end))
        with open_store(url, KeyRing.load(here / "keys"), clock) as store:
            program = Program(store, at, clock, PayerClient())
            pages = paths(program)
            with serving(create_app(program, links=Links(lambda: "t"))) as address:
                measured(Browser(address), pages, rounds, int(filled))


def measured(browser: Browser, pages: dict[str, str], rounds: int, charges: int) -> None:
    """Ask for the pages by turns, and tell."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in pages}
    sizes: dict[str, int] = {}
    for name, path in pages.items():
        busy = time.process_time()
        status, sizes[name], first = browser.get(path)
        print(f"{name}: first time {amount(first)}, processor {amount(time.process_time() - busy)}")
        if status == http.HTTPStatus.ACCEPTED:
            sizes[name] = _looked(browser, name, path)
        elif status != http.HTTPStatus.OK:
            print(f"{name}: {status}, left out")
            del taken[name]
    for _ in range(rounds):
        for name, times in taken.items():
            busy = time.process_time()
            whole = browser.get(pages[name])[2]
            times.append((whole, time.process_time() - busy))
    rows, kept = [], []
    for name, times in taken.items():
        seconds = [one[0] for one in times]
        p50, p95 = statistics.median(seconds), statistics.quantiles(seconds, n=20)[-1]
        busy = statistics.median(one[1] for one in times)
        verdict = "met" if p50 <= AIM else "MISSED"
        rows.append((name, amount(p50), amount(p95), amount(busy), f"{sizes[name] / 1024:.0f} KiB", verdict))
        kept.append(
            Row(
                f"page, {charges:,} charges: {name}",
                f"p50 {amount(p50)}, p95 {amount(p95)}",
                f"processor {amount(busy)}; aim: {amount(AIM)}; {verdict}",
            )
        )
    table(f"pages on {charges:,} charges", ("page", "p50", "p95", "processor", "size", "aim 100 ms"), rows)
    keep("pages", kept)
    print(machine())


def _looked(browser: Browser, name: str, path: str) -> int:
    """Bytes of a page that is made aside, once it is there."""
    start = time.perf_counter()
    while time.perf_counter() - start < LOOKING:
        time.sleep(0.5)
        status, size, _ = browser.get(path)
        if status == http.HTTPStatus.OK:
            print(f"{name}: made aside in {time.perf_counter() - start:.0f} s")
            return size
    raise TimeoutError(f"{name} was not made in {LOOKING} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--charges", type=int, default=CHARGES)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--store", type=Path, default=None, help="fill this folder, or take what it holds")
    said = parser.parse_args()
    collect_seldom()
    main(said.charges, said.rounds, said.store)
