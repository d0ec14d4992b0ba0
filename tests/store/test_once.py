"""What may be used once: remembered by every store, over a restart, and forgotten only when it can come no more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from adapters.errors import StoreDown
from adapters.store import SqlStore
from adapters.store.keys import KeyRing
from adapters.store.schema import used_once
from tests.store.conftest import NOW

END = NOW + timedelta(minutes=6)


def test_the_second_use_is_none(store: SqlStore) -> None:
    assert store.first_use("a", END, NOW)
    assert not store.first_use("a", END, NOW)
    assert store.first_use("b", END, NOW)


def test_of_many_at_once_one_is_first(store: SqlStore) -> None:
    found: list[bool] = []
    threads = [threading.Thread(target=lambda: found.append(store.first_use("a", END, NOW))) for _ in range(12)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(found) == [*[False] * 11, True]


def test_it_is_forgotten_an_hour_after_its_end(store: SqlStore) -> None:
    assert store.first_use("a", END, NOW)
    assert not store.first_use("a", END, END + timedelta(minutes=59))
    assert store.first_use("b", END + timedelta(hours=3), END + timedelta(minutes=61))
    count = store._read(lambda c: c.execute(select(func.count()).select_from(used_once)).scalar_one())
    assert count == 1


def test_a_restart_forgets_nothing_and_a_second_process_knows_it(open_file: Callable[..., SqlStore]) -> None:
    with open_file() as first, open_file() as second:
        assert first.first_use("a", END, NOW)
        assert not second.first_use("a", END, NOW)
    with open_file() as again:
        assert not again.first_use("a", END, NOW)


def test_who_cannot_remember_says_so(open_file: Callable[..., SqlStore]) -> None:
    with open_file() as store:
        store.close()
        with pytest.raises(StoreDown):
            store.first_use("a", END, NOW)


def test_a_secret_is_of_its_purpose_and_ring_and_outlives_a_rotation(tmp_path) -> None:
    ring = KeyRing.generate(tmp_path / "keys")
    secret = ring.secret("access tokens")
    assert len(secret) == 64
    assert KeyRing.rotate(tmp_path / "keys").secret("access tokens") == secret
    assert ring.secret("something else") != secret
    assert KeyRing.ephemeral("x").secret("access tokens") != secret
    assert ring.blind("access tokens") not in secret.hex()
