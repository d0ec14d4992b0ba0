"""The service seals what it wrote once a minute, and goes on when it must not."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from adapters.store import KeyRing, open_store


def until(asked: Callable[[], bool], seconds: float = 10) -> bool:
    """Whether it came to that in time."""
    deadline = time.monotonic() + seconds
    while not asked():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def test_the_payer_role_seals_once_a_minute(program: Any, message: Any, put: Any, clock: Any, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.db", KeyRing.ephemeral("tests"), clock, create=True)
    house = program(store=store)
    put(house, message("S1"))
    house.lanes.start(["payer"], every=timedelta(milliseconds=5))
    assert until(lambda: store.sealer.state().seals == 1)
    assert until(lambda: store.sealer.state().tail == 0)
    put(house, message("S2", transaction="T2"))
    time.sleep(0.1)
    assert store.sealer.state().seals == 1, "the minute is not over"
    clock.forward(seconds=61)
    assert until(lambda: store.sealer.state().seals == 2)
    assert until(lambda: store.verify() == ())


def test_a_lost_head_stops_the_sealing_and_nothing_else(
    program: Any, message: Any, put: Any, clock: Any, tmp_path: Path
) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.db", KeyRing.ephemeral("tests"), clock, create=True)
    house = program(store=store)
    put(house, message("S1"))
    store.seal(clock.now())
    (tmp_path / "s.db.head").unlink()
    put(house, message("S2", transaction="T2"))
    house.lanes.start(["worker", "payer"], every=timedelta(milliseconds=5))
    assert until(lambda: store.counts().unread == 0)
    time.sleep(0.05)
    assert house.lanes.running
    assert store.sealer.state().seals == 1
    assert not (tmp_path / "s.db.head").exists()
