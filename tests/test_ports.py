"""An entry that the program writes itself: its bytes are its name, so they must never change."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime

import pytest

from adapters.model.journal import JournalKind
from adapters.ports import Receipt

AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def test_what_is_said_is_canonical_json_and_names_the_entry() -> None:
    said = {"why": "später", "day": date(2026, 3, 2), "at": AT, "none": None, "list": [1, "b"]}
    one = Receipt.of_ours(JournalKind.FEED, "feeds", said, AT, actor="clock", control="ehr")
    expected = '{"at":"2026-03-02T09:30:00+00:00","day":"2026-03-02","list":[1,"b"],"none":null,"why":"später"}'
    assert one.body == expected.encode()
    assert one.digest == hashlib.sha256(expected.encode()).hexdigest()
    assert (one.kind, one.channel, one.sender, one.actor) == (JournalKind.FEED, "feeds", "", "clock")
    assert (one.media, one.control, one.answer, one.at) == ("json", "ehr", b"", AT)
    turned = Receipt.of_ours(JournalKind.FEED, "feeds", dict(reversed(said.items())), AT, actor="clock")
    assert turned.digest == one.digest


def test_what_json_does_not_know_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^set$"):
        Receipt.of_ours(JournalKind.FEED, "feeds", {"found": {1}}, AT, actor="clock")
