"""The threads that work lanes on SQLite: none of them dies unseen, whatever the store does to it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection

from adapters.errors import StoreDown
from adapters.store.lanes.threads import LaneThreads


class Down:
    """A store that answers one question in so many, and raises at the others."""

    def __init__(self, error: Exception, answers: int = 0) -> None:
        self.asked = 0
        self._error = error
        self._answers = answers
        self._guard = threading.Lock()

    def __call__(self, _work: Callable[[Connection], Any]) -> Any:
        with self._guard:
            self.asked += 1
            if self.asked > self._answers:
                raise self._error
        return []


@pytest.mark.parametrize("answers", [0, 1, 2])
def test_who_drains_is_told_what_any_of_the_threads_met(answers: int) -> None:
    """With one answer, "nothing is runnable", one thread ends well, whichever that is."""
    store = Down(StoreDown("away"), answers)
    queue = LaneThreads(store, store)
    if answers == 2:
        queue.drain(lambda _lane: None, workers=2)
    else:
        with pytest.raises(StoreDown):
            queue.drain(lambda _lane: None, workers=2)
    assert store.asked == 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("lane-")]


def test_a_worker_outlives_a_fault_of_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    from adapters.store.lanes import threads

    monkeypatch.setattr(threads, "_POLL", 0.0)
    store = Down(ZeroDivisionError("a bug"))
    LaneThreads(store, store).run(lambda _lane: None, workers=2, stopped=lambda: store.asked > 9)
    assert store.asked > 9
