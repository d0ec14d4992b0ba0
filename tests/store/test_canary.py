"""No name, record number or member id lies plain in any file of the store, nor in its exceptions."""

from __future__ import annotations

import pathlib
from types import SimpleNamespace

import pytest

from adapters.model.people import Identifier, PersonHint
from adapters.model.record import Parked
from adapters.store import Overwrites


def test_no_canary_in_any_file(database: pathlib.Path, open_file, make: SimpleNamespace) -> None:
    canaries = [c.encode() for c in (make.FAMILY, make.MRN, make.MEMBER, "Odalys", "1960-07-09", "Patient/9917")]
    body = b"PID|||" + make.MRN.encode() + b"||" + make.FAMILY.encode() + b"^Odalys"
    with open_file() as store:
        entry = store.receive(make.receipt(body, answer=b"ACK " + make.MRN.encode())).entry
        hint = PersonHint((Identifier("mrn", make.MRN), Identifier("member", make.MEMBER)), "Patient/9917")
        person = store.person(hint, "epic")
        before = store.load(person)
        store.save(before, make.course(person, 5, before.identifiers), taken=[entry], tick=make.NOW)
        second = store.receive(make.receipt(b"2", control="C2")).entry
        parked = Parked(second, "unreadable", f"PID-5 {make.FAMILY}", (make.MRN,))
        store.park(parked, make.work(person, 9, detail=make.FAMILY))
        loaded = store.load(person)
        assert loaded.claims[0].claim.family == make.FAMILY
        files = sorted(database.parent.iterdir())
        assert any(f.name.endswith("-wal") and f.stat().st_size for f in files)
        open_bytes = {f.name: f.read_bytes() for f in files}
    closed_bytes = {f.name: f.read_bytes() for f in database.parent.iterdir()}
    for held in (open_bytes, closed_bytes):
        found = [(name, c) for name, data in held.items() for c in canaries if c in data or c in name.encode()]
        assert found == []
    assert any(entry.encode() in data for data in closed_bytes.values()), "ids are there to be found"


def test_no_canary_in_exceptions(open_file, make: SimpleNamespace) -> None:
    with open_file() as store:
        person = store.person(PersonHint((Identifier("mrn", make.MRN),)), "epic")
        before = store.load(person)
        record = make.course(person, 2, before.identifiers)
        store.save(before, record, tick=make.NOW)
        from dataclasses import replace

        stolen = replace(make.course("other", 1), claims=record.claims)
        errors = []
        for old, new in ((record, replace(record, events=())), (make.course("other", 0), stolen)):
            with pytest.raises(Exception) as caught:  # noqa: PT011  # any: what matters is what it says
                store.save(old, new, tick=make.NOW)
            error: BaseException | None = caught.value
            while error is not None:
                errors.append(repr(error) + str(error))
                error = error.__cause__
        assert isinstance(caught.value, Exception)
        assert len(errors) >= 2
        assert not [e for e in errors for c in (make.FAMILY, make.MRN, make.MEMBER) if c in e]
        with pytest.raises(Overwrites):
            store.save(record, replace(record, claims=()), tick=make.NOW)
