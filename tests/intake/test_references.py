"""The demonstration's story with its Bundles taken apart: what names something finds it, whichever of the two came first."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from adapters.demo.day import lay_out
from adapters.model.record import ChargeStatus, PersonRecord
from adapters.pipeline.receive import Intake, receive_fhir, receive_v2
from adapters.rules import Ruleset
from adapters.serve.lanes import Lanes
from adapters.settings import rules_of, site_of
from adapters.store import KeyRing
from adapters.wiring import WalkedClock, wire
from fhir_server_stub.course import Outgoing
from fhir_server_stub.story import make_story


@pytest.fixture(scope="module")
def rules() -> Ruleset:
    return rules_of()


def apart(bundle: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Each resource in a Bundle of its own; what a `urn:` of the whole named is named by its identifier then."""
    text = json.dumps(bundle["entry"])
    for entry in bundle["entry"]:
        text = text.replace(entry["fullUrl"], entry["request"]["url"])
    for entry in json.loads(text):
        yield {**bundle, "entry": [{"resource": entry["resource"], "request": entry["request"]}]}


def intakes(message: Outgoing, folder: Path, rules: Ruleset, split: bool) -> Iterator[Intake]:
    site = site_of(folder / "site.toml", rules)
    if message.channel == "mllp":
        yield receive_v2(message.wire, listener="mosaiq", peer="", site=site, now=message.at, ack_id="A1")
        return
    whole = json.loads(message.wire)
    for body in apart(whole) if split else [whole]:
        feed = next(feed.name for feed in site.feeds if feed.media == "fhir")
        data = json.dumps(body).encode()
        yield receive_fhir(data, feed=feed, path_type="Bundle", method="POST", now=message.at)


def told(folder: Path, rules: Ruleset, seed: int | None, *, chance: Random | None) -> PersonRecord:
    """What is on file after the story; with `chance` each resource came by itself, and all in its order."""
    story = make_story(seed)
    clock = WalkedClock(story.ends + timedelta(minutes=1))
    settings = lay_out(folder, "http://127.0.0.1:9")
    site = site_of(settings.site, rules)
    with wire(settings, clock=clock, keys=KeyRing.ephemeral("split"), site=site, create=True, writes=True) as wired:
        lanes = Lanes(wired.store, wired.house, wired.payers, clock)
        arriving = [one for m in story.messages for one in intakes(m, folder, rules, chance is not None)]
        if chance:
            chance.shuffle(arriving)
        for intake in arriving:
            assert intake.receipt is not None
            wired.store.receive(intake.receipt)
        lanes.work()
        assert not wired.store.parked()
        (person,) = wired.store.lanes()
        return wired.store.load(person)


def owed(record: PersonRecord) -> tuple[Sequence[object], ...]:
    """Charges, holds and claims, without the ids and places of the messages that they came from."""
    charges = [c.charge for c in record.charges if c.status is not ChargeStatus.VOID]
    holds = [replace(hold, about="", detail="") for hold in record.holds]
    claims = [replace(on_file.claim, id="", person="") for on_file in record.claims]
    return (
        sorted(charges, key=lambda c: (c.slot, c.code)),
        sorted(holds, key=lambda h: (h.slot, h.code)),
        sorted(claims, key=lambda c: (c.cycle, c.type, c.coverage, c.frequency)),
    )


@pytest.mark.parametrize("seed", [None, 3])
def test_the_story_in_single_resources_owes_the_same(seed: int | None, tmp_path: Path, rules: Ruleset) -> None:
    whole = owed(told(tmp_path / "whole", rules, seed, chance=None))
    split = owed(told(tmp_path / "split", rules, seed, chance=Random(seed)))
    assert whole[0], "the story is charged"
    for expected, found in zip(whole, split, strict=True):
        assert list(found) == list(expected)


def test_the_story_has_bundles_to_take_apart() -> None:
    bodies = [json.loads(m.wire) for m in make_story(None).messages if m.channel == "fhir"]
    assert sum(len(body["entry"]) for body in bodies) > 3 * len(bodies)
    assert isinstance(make_story(None).ends, datetime)
