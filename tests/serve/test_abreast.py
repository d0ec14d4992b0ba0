"""Calls side by side: what waits is not looked at all the time, and what was not made is made later."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from adapters.serve.abreast import Abreast


def test_a_lane_that_waits_is_looked_at_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter((0.0, 10.0, 31.0, 32.0, 62.0))
    monkeypatch.setattr("adapters.serve.abreast.time", SimpleNamespace(monotonic=lambda: next(ticks)))
    free = threading.Event()
    with Abreast() as desks:
        assert not desks.busy("lane")
        desks.put("payer", 1, "lane", "key", lambda: int(free.wait(20)))
        looks = [desks.busy("lane") for _ in range(4)]
        free.set()
    assert looks == [True, False, True, False]


def test_a_call_that_was_not_made_may_be_handed_out_again() -> None:
    with Abreast() as desks:
        desks.put("payer", 1, "lane", "made", lambda: 1)
        desks.put("payer", 1, "lane", "left", lambda: 0)
        assert desks.done == {"made", "left"}
        assert desks.settled(20)
        assert (desks.made, desks.done) == (1, {"made"})
