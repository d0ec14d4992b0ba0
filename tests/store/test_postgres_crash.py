"""PostgreSQL killed under load keeps every receipt that was acknowledged."""

from __future__ import annotations

import random
import threading
import time
from types import SimpleNamespace

import pytest

from adapters.errors import StoreDown
from adapters.store import KeyRing, open_store

pytestmark = pytest.mark.system


@pytest.mark.slow
def test_killed_five_times_nothing_acknowledged_is_lost(new_postgres, keys: KeyRing, make: SimpleNamespace) -> None:
    server = new_postgres()
    url = server.url(server.make())
    chance = random.Random(20260302)
    acknowledged: set[str] = set()
    stop = threading.Event()

    def send(store, thread: int) -> None:
        n = 0
        while not stop.is_set():
            n += 1
            control = f"{thread}-{n}"
            body = control.encode().ljust(1500, b".")
            # A sender goes on until it has its answer, as MLLP senders do.
            while not stop.is_set():
                try:
                    acknowledged.add(store.receive(make.receipt(body, control=control)).entry)
                    break
                except StoreDown:
                    time.sleep(0.01)

    with open_store(url, keys, create=True) as store:
        threads = [threading.Thread(target=send, args=(store, n), daemon=True) for n in range(8)]
        for thread in threads:
            thread.start()
        rounds = []
        for _ in range(5):
            before = len(acknowledged)
            time.sleep(chance.uniform(0.3, 0.9))
            rounds.append(len(acknowledged) - before)
            server.kill()
            server.start()
        time.sleep(0.5)
        stop.set()
        for thread in threads:
            thread.join(30)
        assert min(rounds) > 20
        on_file = store.messages(limit=10**9)
        assert acknowledged <= {line.id for line in on_file}
        # One entry each, however often it was sent; and no gap.
        assert len({line.control for line in on_file}) == len(on_file)
        assert [line.seq for line in on_file] == list(range(1, len(on_file) + 1))
        assert store.verify() == ()
