"""P2: nothing vanishes. Frames in = answered and stored + connection errors, and each ACK names its message, in order."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from adapters.hl7v2.mllp import END, START
from adapters.store import KeyRing, open_store
from tests import soak
from tests.e2e.sender import Try, tried, unexplained

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def intake(make_clinic: Callable[..., Any]) -> Iterator[tuple[Any, Any]]:
    """A clinic whose service takes messages in and does nothing else, and the service."""
    clinic = make_clinic()
    yield clinic, clinic.serve("--role", "intake")
    clinic.end()


def framed(payload: bytes) -> bytes:
    """The message in its frame."""
    return START + payload + END + b"\r"


def accounted(clinic: Any, served: Any, tries: list[Try], before: dict[str, float]) -> None:
    """Hold sender, service and journal against one another: what each of them counted since `before`."""
    with open_store(clinic.environment["ONCOCLAIMS_STORE"], KeyRing.load(clinic.folder / "keys")) as store:
        lines = store.messages(limit=10**9)
        assert unexplained(tries, [line for line in lines if line.seq > before["stored"]]) == []
        assert store.verify() == ()
    now = counted(clinic, served)
    grown = {name: now[name] - before[name] for name in now}
    assert grown["received"] == grown["stored"] + grown["repeated"]
    assert len(tries) == grown["received"] + grown["unstored"]
    assert sum(bool(one.code) for one in tries) == grown["received"]
    assert sum(one.code == "AR" for one in tries) == grown["refused"]


def counted(clinic: Any, served: Any) -> dict[str, float]:
    """What the service counted of frames, and how long the journal is."""
    text = served.get("/metrics", health=True).body.decode()
    found = dict.fromkeys(("received", "repeated", "refused", "unstored"), 0.0)
    for family in text_string_to_metric_families(text):
        name = family.name.removeprefix("oncoclaims_")
        if name in found:
            found[name] = sum(sample.value for sample in family.samples if sample.name.endswith("_total"))
    with open_store(clinic.environment["ONCOCLAIMS_STORE"], KeyRing.load(clinic.folder / "keys")) as store:
        return {**found, "stored": float(store.counts().journal)}


def test_a_frame_cut_at_any_byte_is_one_message(intake: tuple[Any, Any], tools: SimpleNamespace) -> None:
    clinic, served = intake
    before = counted(clinic, served)
    tries = []
    length = len(framed(tools.dft("SPLIT-000", on="20260302")))
    with served.line() as line:
        line.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for cut in range(1, length):
            control = f"SPLIT-{cut:03d}"
            payload = tools.dft(control, on="20260302")
            frame = framed(payload)
            line.socket.sendall(frame[:cut])
            time.sleep(0.001)  # let the first part be read by itself
            line.socket.sendall(frame[cut:])
            tries.append(tried(control, payload, line.read().raw))
        payload = tools.dft("DRIP", on="20260302")
        for byte in framed(payload):
            line.socket.sendall(bytes([byte]))
        tries.append(tried("DRIP", payload, line.read().raw))
    assert len(tries) == length
    assert {one.code for one in tries} == {"AA"}
    accounted(clinic, served, tries, before)


def test_pipelines_of_one_to_fifty_messages_are_answered_in_order(
    intake: tuple[Any, Any], tools: SimpleNamespace
) -> None:
    clinic, served = intake
    before = counted(clinic, served)
    tries = []
    chance = random.Random(soak.seed())
    with served.line() as line:
        for many in range(1, 51):
            named = [(f"PIPE-{many}-{n}", tools.dft(f"PIPE-{many}-{n}", on="20260302")) for n in range(many)]
            sent = b"".join(framed(payload) for _, payload in named)
            # In two writes, cut anywhere: the second begins within some message.
            cut = chance.randrange(len(sent))
            line.socket.sendall(sent[:cut])
            line.socket.sendall(sent[cut:])
            answers = [line.read() for _ in named]
            assert [answer.control for answer in answers] == [control for control, _ in named]
            tries += [tried(*one, answer.raw) for one, answer in zip(named, answers, strict=True)]
    assert len(tries) == 1275
    assert {one.code for one in tries} == {"AA"}
    accounted(clinic, served, tries, before)


@pytest.mark.soak
def test_refused_repeated_and_unreadable_messages_are_accounted_for(
    intake: tuple[Any, Any], tools: SimpleNamespace
) -> None:
    clinic, served = intake
    before = counted(clinic, served)
    chance = random.Random(soak.seed())
    tries = []
    messages = []
    for n in range(soak.size(ci=60, long=2000)):
        control = f"MIX-{n}"
        made = {
            "good": lambda control: tools.dft(control, on="20260302"),
            "for training": lambda control: tools.dft(control, on="20260302", mode="T"),
            "no version": lambda control: tools.dft(control, on="20260302", version="9"),
            "no charge": lambda control: tools.dft(control, on="20260302").partition(b"FT1")[0],
        }[chance.choice(("good", "good", "for training", "no version", "no charge"))]
        messages.append((control, made(control)))
        if chance.random() < 0.3:
            messages.append(chance.choice(messages))
    with served.line() as line:
        for control, payload in messages:
            tries.append(tried(control, payload, line.ask(payload).raw))
    assert {one.code for one in tries} == {"AA", "AR"}
    accounted(clinic, served, tries, before)


def test_the_check_finds_what_is_unexplained() -> None:
    stored = [SimpleNamespace(kind="message", digest=digest) for digest in ("a", "a", "x")]
    tries = [Try("1", "a", "AA", "1"), Try("2", "b", "AA", "2"), Try("3", "c", "AR", "1"), Try("4", "d")]
    assert unexplained(tries, stored) == [
        "3: the answer names '1'",
        "2: answered AA, not stored",
        "3: answered AR, not stored",
        "a: stored 2 times",
        "x: stored, and nobody sent it",
    ]
