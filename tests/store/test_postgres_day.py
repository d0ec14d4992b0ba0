"""A whole clinic day, from its messages to its paid claims, ends the same on PostgreSQL as on SQLite."""

from __future__ import annotations

import pathlib
import shutil
from dataclasses import replace

import pytest

from adapters.demo import day
from adapters.model.record import PersonRecord
from adapters.pipeline.fold import fold
from adapters.store import KeyRing, codec, differences


@pytest.mark.system
def test_a_clinic_day_ends_the_same_on_both(postgres, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    KeyRing.generate(tmp_path / "keys")
    plain = day.lay_out
    url = postgres.url(postgres.make())

    def end(folder: pathlib.Path, *, on_postgres: bool) -> tuple[list[PersonRecord], object]:
        folder.mkdir()
        shutil.copy(tmp_path / "keys", folder / "demo.keys")

        def laid_out(*where) -> object:
            settings = plain(*where)
            return settings.model_copy(update={"store": url}) if on_postgres else settings

        monkeypatch.setattr(day, "lay_out", laid_out)
        with day.played(folder, 7) as played:
            store = played.wired.store
            dialect = store._read(lambda c: c.dialect.name)
            assert dialect == ("postgresql" if on_postgres else "sqlite")
            assert store.verify(unsealed=True) == ()
            again = fold(store.journal(limit=10**6), played.wired.house, store.person)
            for record in played.records:
                assert list(differences(record, again.get(record.person))) == []
            return list(played.records), store.trial_balance()

    here, sums = end(tmp_path / "sqlite", on_postgres=False)
    there, sums_there = end(tmp_path / "postgres", on_postgres=True)
    assert any(sums.values())
    assert sums_there == sums
    assert len(there) == len(here) > 0
    for one, other in zip(here, there, strict=True):
        assert codec.encode(replace(one, identifiers=())) == codec.encode(replace(other, identifiers=()))
