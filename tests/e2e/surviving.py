"""What the real store makes of the files that a power cut left, and whether it still keeps what was promised."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import pickle
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from adapters.errors import BadSetup, OncoclaimsError
from adapters.fhir.claim import CLAIM_SYSTEM
from adapters.model.journal import JournalKind
from adapters.ports import Receipt
from adapters.store import KeyRing, SqlStore, open_store
from tests.e2e.power import Event, Image, Told, states

NOW: Final = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
WORKERS: Final = 2
AT_LENGTH: Final = 8
"""Of how many images one is sealed and read again after it went on."""


def promised(sent: bytes) -> list[str]:
    """What bytes that leave promise: an ACK (`ack:` and MSH-10), a claim at a payer (`call:` and its identifier)."""
    if b"\rMSA|AA|" in sent:
        return [f"ack:{sent.split(b'MSA|AA|')[1].split(b'|')[0].strip(bytes([13, 28])).decode()}"]
    if sent.startswith(b'{"resourceType":"Claim"'):
        named = json.loads(sent)["identifier"]
        return [f"call:{one['value']}" for one in named if one["system"] == CLAIM_SYSTEM]
    return []


@dataclass(frozen=True, slots=True)
class Found:
    """What the store has after a cut: what of the promises it knows, and everything that is wrong with it."""

    kept: frozenset[str] = frozenset()
    wrong: tuple[str, ...] = ()
    refused: bool = False
    """It said that it cannot be opened, and why."""


@dataclass(slots=True)
class Report:
    """What an exploration found."""

    states: int = 0
    opened: int = 0
    """Different images that were opened; a state is an image with what had been told by then."""
    broken: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Recording:
    """What happened in a clinic's folder, and the messages that were sent there, by control id."""

    folder: Path
    events: tuple[Event, ...]
    sent: dict[str, bytes]


def explored(recording: Recording, number: int, seed: int) -> Report:
    """Open so many states of the recording, on two processors."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "recording"
        file.write_bytes(pickle.dumps(recording))
        with multiprocessing.get_context("spawn").Pool(WORKERS) as pool:
            reports = pool.starmap(_explored, [(file, number, seed, k) for k in range(WORKERS)])
    whole = Report()
    for one in reports:
        whole.states += one.states
        whole.opened += one.opened
        whole.broken += one.broken
    return whole


def _explored(file: Path, number: int, seed: int, mine: int) -> Report:
    recording: Recording = pickle.loads(file.read_bytes())  # noqa: S301 - written by the caller
    report = Report()
    told = [event.what for event in recording.events if isinstance(event, Told)]
    seen: dict[bytes, Found] = {}
    for state in states(recording.events, number, seed, (mine, WORKERS)):
        report.states += 1
        digest = state.digest
        if digest not in seen:
            seen[digest] = examined(recording, state.image, at_length=digest[0] % AT_LENGTH == 0)
        found = seen[digest]
        lost = [what for what in told[: state.told] if what not in found.kept]
        if found.refused and not lost:
            continue  # nothing was promised yet: told so, `init` is run again
        wrong = (*found.wrong, *(f"lost {what}" for what in lost))
        if wrong:
            at = recording.events[state.after]
            report.broken.append(f"behind event {state.after} ({type(at).__name__}): {'; '.join(wrong[:3])}")
    report.opened = len(seen)
    return report


def examined(recording: Recording, image: Image, *, at_length: bool) -> Found:
    """Open these files as `serve` does, read everything, then go on: take one more; `at_length`: seal, read all again."""
    with _laid_out(recording.folder, image) as folder:
        try:
            ring = KeyRing.load(folder / "keys")
            with open_store(f"sqlite:///{folder}/store.db", ring) as store:
                return _read(store, recording.sent, at_length=at_length)
        except BadSetup as refused:
            return Found(wrong=refused.problems, refused=True)
        except (OncoclaimsError, OSError) as failed:
            return Found(wrong=(f"{type(failed).__name__}: {failed}",))


def _read(store: SqlStore, sent: dict[str, bytes], *, at_length: bool) -> Found:
    wrong = [fault for fault in store.verify() if not _one_behind(fault)]
    entries = store.journal(limit=10**9)
    kept = {f"call:{entry.control}" for entry in entries if entry.kind is JournalKind.CALL}
    kept |= {f"ack:{entry.control}" for entry in entries if sent.get(entry.control) == entry.body}
    one_more = b"one more"
    digest = hashlib.sha256(one_more).hexdigest()
    store.receive(Receipt(JournalKind.MESSAGE, "mllp", "A|B", "feed:a", "hl7v2", "more", digest, one_more, b"AA", NOW))
    if at_length:
        store.seal(NOW)
        wrong += [f"when it goes on: {fault}" for fault in store.verify()]
    if store.counts().journal != len(entries) + 1:
        wrong.append("when it goes on: the journal is not one longer")
    return Found(frozenset(kept), tuple(wrong))


def _one_behind(fault: str) -> bool:
    """A head of the seal before the last: the cut came between the two."""
    numbers = [int(word) for word in fault.replace(",", " ").replace(";", " ").split() if word.isdecimal()]
    return (
        fault.startswith("head: it is of seal")
        and fault.endswith("sealing mends that")
        and numbers[1] == numbers[0] + 1
    )


@contextmanager
def _laid_out(root: Path, image: Image) -> Iterator[Path]:
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
    folder = Path(tempfile.mkdtemp(prefix="cut-", dir=memory if memory.is_dir() else None))
    try:
        for path, content in image.items():
            place = folder / Path(path).relative_to(root)
            place.touch(0o600)  # as the key file must be
            place.write_bytes(content)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def summed(broken: Sequence[str]) -> str:
    """The first of them and how many there are, for the words of an assertion."""
    return f"{len(broken)} broken, such as: " + " | ".join(broken[:3])
