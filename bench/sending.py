"""Sending: claims a second to a payer with 1, 8 and 32 calls in flight, and how long an outage is felt after its end.

The payer is the stub, a process of its own, which decides and answers every claim. Everything is in it: the intent synced
before each call, the call over a new connection, the answer synced and posted after it. Beside it the same calls by the
client alone, with nothing kept: what payer and wire allow. For the outage the payer is taken away for a minute
(`--away`), while 1,000 claims (`--claims`) are due; everything is tried until the payer rests, and the clock starts when it
is back, until every claim is decided and posted, and none is in the payer's books twice. The service runs as `serve` runs
it, by the standard policy, and looks each half second.
For double billing the payer takes claims and loses what it answers to some of them; they are counted in its own books,
beside what a plain client (httpx, tenacity: whatever went wrong is tried again) leaves there of the same claims.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import tenacity
from _clinic import house
from _common import Figure, Row, folder, keep, machine, rates, table

from adapters.model.endpoint import PayerEndpoint
from adapters.model.journal import JournalKind
from adapters.payers import PayerClient
from adapters.pipeline import House
from adapters.pipeline.receive import receive_v2
from adapters.pipeline.sending import document_of
from adapters.serve.lanes import Lanes
from adapters.store import KeyRing, SqlStore, open_store
from adapters.wiring import SystemClock

CLAIMS = 200
WIDTHS = (1, 8, 32)
ROUNDS = 3
AWAY = 60.0
"""Seconds of the outage, unless said."""
WAITING = 1000
"""Claims that wait for the end of it, unless said."""
LONGEST = 900.0
"""Seconds after the outage in which all must be settled."""
KEYS = KeyRing.ephemeral("bench")


SPOILT = {1: "hang_up", 7: "garble", 11: "hang_up", 14: "fail", 17: "throttle"}
"""Of twenty claims those to which the first answer is lost (after it took effect), cut, or a refusal without effect."""


@contextlib.contextmanager
def payer(port: int = 0, scenario: Path | None = None) -> Iterator[str]:
    """The stub as a process; its FHIR base address."""
    words = [sys.executable, "-m", "fhir_server_stub", "--port", str(port)]
    words += ["--scenario", str(scenario)] if scenario else []
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().rpartition(" ")[2].strip()
        process.kill()


def calling(base: str, width: int, **over: float) -> House:
    """The clinic, all of whose payers are at the address."""
    plain = house()
    endpoint = PayerEndpoint(base_url=base, in_flight=width, timeout_seconds=10.0, **over)  # type: ignore[arg-type]
    payers = tuple(replace(one, endpoint=endpoint, cycle="day", wait_days=0) for one in plain.site.payers[:1])
    return replace(plain, site=replace(plain.site, payers=payers))


def ready(url: str, made: House, claims: int = CLAIMS) -> SqlStore:
    """A store with so many claims ready to leave, each of another person."""
    store = open_store(url, KEYS, SystemClock(), create=True)
    now = SystemClock().now()
    named = made.site.payers[0]
    day = f"{now - timedelta(days=3):%Y%m%d}"
    for n in range(claims):
        body = "\r".join(
            (
                f"MSH|^~\\&|CHARGER|RADONC|ADAPTER|BILL|{day}101500||DFT^P03^DFT_P03|S{n}|P|2.5.1",
                f"PID|1||SB{n}^^^CLINIC^MR||Ottermole^Ingrid||19511103|F",
                "PV1|1|O|CENTER",
                f"FT1|1|T{n}||{day}101500|{day}|CG|77300^^C4||||1|||||CENTER|||C61||||||77300^^C4",
                f"IN1|1|{named.aliases[0]}|{named.aliases[0]}|{named.name}||||||||20250101|||||SEL"
                + "|" * 19
                + f"M{n}",
                "",
            )
        )
        intake = receive_v2(body.encode(), listener="mllp", peer=None, site=made.site, now=now, ack_id=f"B{n}")
        assert intake.receipt is not None
        store.receive(intake.receipt)
    with PayerClient() as client:
        Lanes(store, made, client, SystemClock()).work()
    return store


def states(store: SqlStore) -> Counter[str]:
    """The claims by state."""
    return Counter(claim.state.value for person in store.lanes() for claim in store.load(person).claims)


def sent(place: Path, width: int) -> float:
    """Seconds a claim, with so many calls in flight."""
    with payer() as base, PayerClient() as client:
        made = calling(base, width)
        with ready(f"sqlite:///{place}", made) as store:
            lanes = Lanes(store, made, client, SystemClock(), abreast=True)
            start = time.perf_counter()
            calls = lanes.send()
            took = time.perf_counter() - start
            assert calls == CLAIMS, (calls, states(store))
            assert states(store) == {"complete": CLAIMS}, states(store)
    return took / CLAIMS


def alone(place: Path, width: int) -> float:
    """Seconds a call by the client alone, nothing kept."""
    with payer() as base, PayerClient() as client:
        made = calling(base, width)
        with ready(f"sqlite:///{place}", made) as store:
            claims = [on_file.claim for person in store.lanes() for on_file in store.load(person).claims]
        to = made.site.payers[0]
        bodies = [(claim.id, document_of(claim, to).body) for claim in claims]
        with ThreadPoolExecutor(width) as pool:
            start = time.perf_counter()
            answers = list(pool.map(lambda one: client.submit(one[0], to, one[1]), bodies))
            took = time.perf_counter() - start
        assert {answer.status for answer in answers} == {200}
    return took / CLAIMS


def settled(place: Path, claims: int, away: float) -> tuple[float, float, int]:
    """Seconds from the end of an outage until the first claim and until every claim is decided, and the calls that were
    made in vain."""
    with payer() as base:
        port = int(base.rpartition(":")[2].partition("/")[0])
    with PayerClient() as client:
        made = calling(base, 8)
        with ready(f"sqlite:///{place}", made, claims) as store:
            lanes = Lanes(store, made, client, SystemClock(), abreast=True)
            lanes.start(("payer",), every=timedelta(seconds=0.5))
            time.sleep(away)
            vain = answered(store)
            with payer(port):
                start, first = time.perf_counter(), 0.0
                # Counted, not looked at one by one: that would take the time that is measured.
                while (said := answered(store) - vain) < claims:
                    assert time.perf_counter() - start < LONGEST, said
                    first = first or (time.perf_counter() - start if said else 0.0)
                    time.sleep(0.5)
                while (found := states(store)).keys() != {"complete"}:
                    assert time.perf_counter() - start < LONGEST, found
                    time.sleep(1)
                took = time.perf_counter() - start
                lanes.stop()
                assert twice(base, claims) == 0
            return first, took, vain


def answered(store: SqlStore) -> int:
    """How many calls something came of: an answer, or the word that there was none."""
    return store.counts().by_kind.get(JournalKind.ANSWER, 0)


def doubled(place: Path) -> tuple[int, int]:
    """How many claims are at the payer twice: of those that we send, and of those that the plain client sends."""
    scenario = place.with_suffix(".toml")
    rules = ((n, SPOILT[n % 20]) for n in range(1, CLAIMS + 1) if n % 20 in SPOILT)
    scenario.write_text("".join(f'[[rule]]\nverb = "{verb}"\nwhen = {{ nth = {n} }}\n' for n, verb in rules))
    with payer(scenario=scenario) as base, PayerClient(sleep=lambda _seconds: None) as client:
        made = calling(base, 8, rest_after=CLAIMS, search_delay_seconds=3600)
        with ready(f"sqlite:///{place}", made) as store:
            claims = [on_file.claim for person in store.lanes() for on_file in store.load(person).claims]
            lanes = Lanes(store, made, client, SystemClock(), abreast=True)
            now = SystemClock().now()
            for _ in range(10):
                lanes.run_due(now)
                now += timedelta(hours=2)
            assert states(store) == {"complete": CLAIMS}, states(store)
        ours = twice(base)
    with payer(scenario=scenario) as base, httpx.Client(trust_env=False, timeout=10) as line:
        to = made.site.payers[0]
        for claim in claims:
            plain(line, f"{base}/Claim/$submit", document_of(claim, to).body)
        return ours, twice(base)


def plain(line: httpx.Client, url: str, body: bytes) -> None:
    """A claim as it is sent where nobody thinks of lost answers: until an answer can be read."""

    @tenacity.retry(stop=tenacity.stop_after_attempt(4), sleep=lambda _seconds: None)
    def sent_once() -> None:
        answer = line.post(url, content=body, headers={"Content-Type": "application/fhir+json"})
        answer.raise_for_status()
        json.loads(answer.content)

    sent_once()


def twice(base: str, claims: int = CLAIMS) -> int:
    """How many claims are in the payer's books twice; none may be missing."""
    said = httpx.get(base.removesuffix("/fhir") + "/control/books", trust_env=False, timeout=60).json()
    assert len(said["live"]) == claims, len(said["live"])
    return len(said["doubles"])


def main() -> None:
    """Print the figures, and leave them for the table."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--away", type=float, default=AWAY, help="seconds of the outage")
    asked.add_argument("--claims", type=int, default=WAITING, help="claims that wait for its end")
    wanted = asked.parse_args()
    logging.disable(logging.CRITICAL)
    print(machine())
    found: dict[str, Figure] = {}
    with folder() as place:
        number = 0
        taken: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            for width in WIDTHS:
                for name, measured in (("kept", sent), ("alone", alone)):
                    number += 1
                    taken.setdefault(f"{name} {width}", []).append(measured(place / f"{number}.db", width))
        found = {name: Figure.of(rounds) for name, rounds in taken.items()}
        first, felt, vain = settled(place / "outage.db", wanted.claims, wanted.away)
        ours, theirs = doubled(place / "doubles.db")
    lines = [[f"{w} in flight", rates(found[f"kept {w}"]), rates(found[f"alone {w}"])] for w in WIDTHS]
    table(f"{CLAIMS} claims sent and answered", ("calls", "with store and books", "the client alone"), lines)
    usual = found[f"kept {WIDTHS[1]}"].median * wanted.claims
    print(f"\nafter {wanted.away:.0f} s without the payer the first of {wanted.claims} claims is decided {first:.0f} s")
    print(
        f"after it is back, the last {felt:.0f} s, none twice; {vain} calls in vain; the sending alone takes {usual:.0f} s"
    )
    lost = sum(verb in ("hang_up", "garble") for verb in SPOILT.values()) * 5
    print(f"billed twice where {lost} % of the answers are lost: {ours} by us, {theirs} of {CLAIMS} by a plain client")
    rows = [
        Row(
            f"claims sent, answered and posted, {w} in flight",
            rates(found[f"kept {w}"]),
            f"the calls alone: {found[f'alone {w}'].rate:,.0f}/s",
        )
        for w in WIDTHS
    ]
    rows.append(
        Row(
            f"{wanted.claims:,} claims settled after a payer's outage of {wanted.away:.0f} s",
            f"{felt:.0f} s",
            f"the first after {first:.0f} s; {vain} calls in vain; without an outage {usual:.0f} s",
        )
    )
    rows.append(
        Row(
            f"billed twice where {lost} % of the answers are lost",
            f"{ours / CLAIMS:.1%}",
            f"a plain client (httpx, tenacity): {theirs / CLAIMS:.1%}",
        )
    )
    keep(__file__, rows)


if __name__ == "__main__":
    main()
