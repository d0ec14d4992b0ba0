"""FHIR in: Bundles and resources durably on file, beside another server; capture beside a typed model; a Bulk Data file.

A Bundle is one session with all it needs (patient, coverage, course, phase, session encounter, fraction). Durable means
answered after the COMMIT that holds it; set beside what the disk can sync, and beside fhir.resources parsing the same
bytes. Over a socket the same client posts the same Bundles, so many in flight, to `serve` and to `sekmet-fhir`, each a
process of its own (`_doors.py` says what each does with one): to our door alone, and to one that reads them into charges
meanwhile, until the last is read. The file of 10,000 resources goes through `oncoclaims ingest` in a process of its own,
read, worked and saved; its memory is set beside that of a file of 100 resources.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # how the tests have the other server installed

from _clinic import house
from _common import Figure, Row, amount, folder, keep, machine, rates, spread, table, timed
from _doors import clinic, ours, peer, posted, sekmet, worked
from fhir.resources.R4B.bundle import Bundle
from intake import syncs

from adapters.fhir.capture import capture
from adapters.fhir.problem import Refused
from adapters.pipeline import House
from adapters.pipeline.receive import receive_fhir
from adapters.store import KeyRing, open_store

RESOURCES = 10_000
PER_PERSON = 25
"""Resources a person in the Bulk Data file: a patient, a coverage, a course, and twenty-two fractions."""
SENDERS = (1, 8, 64)
SECONDS = 1.2
ROUNDS = 3
IN_FLIGHT = (1, 8, 32)
POSTED = 192
"""Bundles in each round over a socket."""
SESSIONS = 20
"""Sessions of a person in these."""
DOOR, WORKED, READ, PEER = (
    "our door (role web)",
    "ours, read meanwhile (web, worker)",
    "the same, until all is read",
    "sekmet-fhir",
)
AT = datetime(2026, 2, 2, 15, tzinfo=UTC)
_SCT = "http://snomed.info/sct"
_MCODE = "http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-radiotherapy-"

Json = dict[str, object]


def _concept(code: str) -> Json:
    return {"coding": [{"system": _SCT, "code": code}]}


def _procedure(id: str, code: str, person: int, part_of: str = "", **more: object) -> Json:
    made: Json = {
        "resourceType": "Procedure",
        "id": id,
        "identifier": [
            {"use": "official", "system": "urn:dicom:uid", "value": f"urn:oid:2.25.{zlib.crc32(id.encode())}"}
        ],
        "status": "completed",
        "code": _concept(code),
        "subject": {"reference": f"Patient/p{person}"},
        **more,
    }
    return made | ({"partOf": [{"reference": f"Procedure/{part_of}"}]} if part_of else {})


def patient(person: int) -> Json:
    """Somebody who does not exist."""
    return {
        "resourceType": "Patient",
        "id": f"p{person}",
        "identifier": [{"system": "urn:clinic:mrn", "value": f"B-{person}"}],
        "name": [{"family": f"Nobody{person}", "given": ["Ada"]}],
        "birthDate": "1961-02-03",
        "gender": "female",
    }


def coverage(person: int) -> Json:
    """Insured with the first payer of the demonstration."""
    return {
        "resourceType": "Coverage",
        "id": f"cov{person}",
        "status": "active",
        "subscriberId": f"M{person}",
        "beneficiary": {"reference": f"Patient/p{person}"},
        "period": {"start": "2026-01-01"},
        "payor": [{"display": "MCRB"}],
        "order": 1,
    }


def course(person: int) -> Json:
    """A course that goes on."""
    return _procedure(
        f"c{person}", "1217123003", person, status="in-progress", performedPeriod={"start": "2026-02-02T09:00:00-05:00"},
        reasonCode=[{"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "C61"}]}],
    )  # fmt: skip


def fraction(person: int, n: int) -> Json:
    """The n-th session, on the n-th day."""
    start = AT + timedelta(days=n - 1)
    inner = [
        {"url": f"{_MCODE}modality", "valueCodeableConcept": _concept("1156506007")},
        {"url": f"{_MCODE}technique", "valueCodeableConcept": _concept("1162782007")},
    ]
    return _procedure(
        f"f{person}-{n}",
        "1297069006",
        person,
        f"c{person}",
        extension=[
            {"url": f"{_MCODE}modality-and-technique", "extension": inner},
            {"url": "urn:clinic:isocenters", "valuePositiveInt": 1},
        ],
        performedPeriod={"start": start.isoformat(), "end": (start + timedelta(minutes=12)).isoformat()},
    )


def bundle(person: int, n: int) -> bytes:
    """A transaction with one session and all that it rests on."""
    visit: Json = {
        "resourceType": "Encounter",
        "id": f"e{person}-{n}",
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": f"Patient/p{person}"},
        "period": {"start": (AT + timedelta(days=n - 1)).isoformat()},
    }
    phase = _procedure(f"ph{person}", "1222565005", person, f"c{person}", status="in-progress")
    entries = [
        {
            "fullUrl": f"https://ehr.invalid/{r['resourceType']}/{r['id']}",
            "resource": r,
            "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"},
        }
        for r in (patient(person), coverage(person), course(person), phase, visit, fraction(person, n))
    ]
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}).encode()


ENTRIES = 6


def durable(at: Path, senders: int) -> float:
    """Seconds a Bundle: each sender waits for its answer before it sends the next."""
    counts = [0] * senders
    stop = threading.Event()
    with open_store(f"sqlite:///{at}", KeyRing.ephemeral("bench"), create=True) as store:

        def send(sender: int) -> None:
            n = 0
            while not stop.is_set():
                body = bundle(sender, n + 1)
                taken = receive_fhir(body, feed="ehr", path_type="Bundle", method="POST", now=AT)
                assert taken.receipt is not None
                assert taken.status == 200
                store.receive(taken.receipt)
                n += 1
                counts[sender] = n

        running = [threading.Thread(target=send, args=(sender,)) for sender in range(senders)]
        start = time.perf_counter()
        for thread in running:
            thread.start()
        time.sleep(SECONDS)
        stop.set()
        for thread in running:
            thread.join()
        seconds = time.perf_counter() - start
        assert store.counts().journal == sum(counts), "not every answered Bundle is on file"
    return seconds / sum(counts)


def doors(at: Path) -> dict[str, dict[int, Figure]]:
    """Seconds a Bundle over a socket, by the server and by how many are in flight."""
    taken: dict[str, dict[int, list[float]]] = {}
    persons = itertools.count(1)
    peers = peer()
    with contextlib.ExitStack() as up:
        servers = {DOOR: up.enter_context(ours(at / "door", "web"))}
        servers[WORKED] = up.enter_context(ours(at / "worked", "web,worker"))
        if peers is not None:
            servers[PEER] = up.enter_context(sekmet(at / "peer", peers))
        for base in servers.values():
            posted(base, [[bundle(next(persons), 1)]])  # what is loaded late is not what is measured
        count = 1
        for _, width in itertools.product(range(ROUNDS), IN_FLIGHT):
            each = POSTED // width
            bodies = [_told(persons, each) for _ in range(width)]
            count += each * width
            for name, base in servers.items():
                start = time.perf_counter()
                taken.setdefault(name, {}).setdefault(width, []).append(posted(base, bodies) / (each * width))
                if name == WORKED:
                    worked(at / "worked", count)
                    seconds = time.perf_counter() - start
                    taken.setdefault(READ, {}).setdefault(width, []).append(seconds / (each * width))
    return {name: {width: Figure.of(rounds) for width, rounds in found.items()} for name, found in taken.items()}


def _told(persons: Iterator[int], count: int) -> list[bytes]:
    """So many Bundles of one sender: the sessions of a person, then those of the next."""
    told: list[bytes] = []
    while len(told) < count:
        person = next(persons)
        told += [bundle(person, n) for n in range(1, min(SESSIONS, count - len(told)) + 1)]
    return told


def imported(at: Path, count: int) -> tuple[float, float]:
    """(seconds, MiB at the peak) of `oncoclaims ingest` of so many resources on an empty store."""
    environment = clinic(at)
    with (at / "all.ndjson").open("w", encoding="utf-8") as file:
        for person in range(max(1, count // PER_PERSON)):
            own = [patient(person), coverage(person), course(person)]
            own += [fraction(person, n) for n in range(1, PER_PERSON - len(own) + 1)]
            file.writelines(json.dumps(resource) + "\n" for resource in own)

    def run(*command: str) -> tuple[str, float]:
        code = "from adapters.cli import main\nimport resource, sys\ntry:\n    main()\nfinally:\n"
        code += "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\n"
        done = subprocess.run(
            [sys.executable, "-c", code, *command], env=environment, check=True, capture_output=True, text=True
        )
        return done.stdout, int(done.stderr.split()[-1]) / 1024

    start = time.perf_counter()
    out, peak = run("ingest", str(at / "all.ndjson"), "--feed", "ehr")
    seconds = time.perf_counter() - start
    lines = out.splitlines()
    assert len(lines) == count // PER_PERSON * PER_PERSON, f"{len(lines)} lines"
    assert all(line.endswith(": accepted") for line in lines), "not all were taken"
    return seconds, peak


def _each(figures: dict[int, Figure]) -> str:
    return " / ".join(f"{figures[width].rate:,.0f}" for width in IN_FLIGHT)


def _times(over: dict[str, dict[int, Figure]], width: int) -> tuple[str, ...]:
    """How many times the other server's rate ours are; nothing where it is not there."""
    if PEER not in over:
        return ()
    return tuple(f"{over[name][width].rate / over[PEER][width].rate:.1f}" for name in (DOOR, READ))


def main() -> None:
    """Measure and print."""
    house_: House = house()
    feed = house_.site.feed("ehr")
    assert feed is not None
    body = bundle(1, 1)
    dialect = house_.rules.dialect(feed.dialect)

    def captured() -> object:
        found = capture(body, feed=feed, dialect=dialect, message="m", received=AT, zone=ZoneInfo(feed.zone))
        assert not isinstance(found, Refused)
        return found

    reading = timed(
        {
            "our door: parsed, checked, answered": lambda: receive_fhir(
                body, feed="ehr", path_type="Bundle", method="POST", now=AT
            ),
            "our capture: events with provenance": captured,
            "fhir.resources R4B, parsed only": lambda: Bundle.model_validate_json(body),
        }
    )
    print(machine())
    peer = reading["fhir.resources R4B, parsed only"]
    table(
        f"a transaction of {ENTRIES} resources, {len(body):,} bytes; 7 rounds",
        ("", "a Bundle", "Bundles a second", "× fhir.resources"),
        [(name, spread(f), rates(f), f"{peer.median / f.median:.1f}") for name, f in reading.items()],
    )
    with folder() as at:
        disk: list[float] = []
        taken: dict[int, list[float]] = {n: [] for n in SENDERS}
        for n in range(ROUNDS):
            for senders in SENDERS:
                disk.append(syncs(at))
                taken[senders].append(durable(at / f"in-{senders}-{n}.db", senders))
        synced, found = Figure.of(disk), {n: Figure.of(rounds) for n, rounds in taken.items()}
        table(
            f"durably on file, SQLite, WAL, synchronous=FULL; {ROUNDS} rounds",
            ("", "Bundles a second", "resources a second", "× one sync each"),
            [
                ("disk: 4 KiB and a sync, one writer", f"{synced.rate:,.0f}", "", "1.0"),
                *(
                    (f"{n} senders", rates(f), f"{f.rate * ENTRIES:,.0f}", f"{synced.median / f.median:.1f}")
                    for n, f in found.items()
                ),
            ],
        )
        over = doors(at)
        beside = over.get(PEER)
        table(
            f"over a socket, {POSTED} Bundles of {ENTRIES} resources in each of {ROUNDS} rounds, answered a second",
            ("in flight", *over, *(("our door × sekmet-fhir", "all read × sekmet-fhir") if beside else ())),
            [
                (str(width), *(rates(figures[width]) for figures in over.values()), *_times(over, width))
                for width in IN_FLIGHT
            ],
        )
        print(
            "  ours is answered after the COMMIT of the journal that holds it (encrypted, synced, shared by those that wait)"
            "\n  and is read afterwards; sekmet-fhir stores, indexes and commits (WAL, synced by SQLite's default) each\n"
            "  resource of a Bundle in one transaction before it answers, and has nothing to derive"
        )
        small_seconds, small = imported(at / "small", 100)
        seconds, peak = imported(at / "bulk", RESOURCES)
    table(
        "`oncoclaims ingest` of a Bulk Data file: journalled, read, derived, claims drafted",
        ("", "time", "resources a second", "peak MiB"),
        [
            ("100 resources", amount(small_seconds), "", f"{small:,.0f}"),
            (f"{RESOURCES:,} resources", amount(seconds), f"{RESOURCES / seconds:,.0f}", f"{peak:,.0f}"),
        ],
    )
    busy = found[SENDERS[-1]]
    keep(
        __file__,
        [
            Row(
                f"FHIR Bundles of {ENTRIES} durable, {SENDERS[-1]} senders",
                f"{busy.rate:,.0f}/s",
                f"{busy.rate * ENTRIES:,.0f} resources/s; the disk syncs {synced.rate:,.0f} times a second",
            ),
            Row(
                f"such Bundles over a socket, {' / '.join(map(str, IN_FLIGHT))} in flight",
                f"{_each(over[DOOR])}/s",
                f"until charges are derived {_each(over[READ])}/s; "
                + (
                    f"sekmet-fhir, which keeps resources, {_each(beside)}/s"
                    if beside
                    else "sekmet-fhir was not to be had"
                ),
            ),
            Row(
                "capturing such a Bundle",
                f"{reading['our capture: events with provenance'].rate:,.0f}/s",
                f"fhir.resources parses {peer.rate:,.0f}/s of the same",
            ),
            Row(
                f"importing {RESOURCES:,} resources of NDJSON, to claims",
                amount(seconds),
                f"{RESOURCES / seconds:,.0f} resources/s; peak {peak:,.0f} MiB, of 100 resources {small:,.0f} MiB",
            ),
        ],
    )


if __name__ == "__main__":
    main()
