"""A feed that misses its rhythm, told by the commands: ingest, run-due, worklist; and the journal that gives it again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.cli.conftest import SITE

RHYTHM = """
sequence_numbers = true
[feeds.rhythm]
every_minutes = 120
weekdays = ["mon", "tue", "wed", "thu", "fri"]
opens = 08:00:00
closes = 18:00:00
holidays = [2026-01-19]
"""


def promising(clinic: Any) -> None:
    """The site file says when its feed of charges speaks."""
    begin, rest = SITE.split('name = "charges"')
    feed, after = rest.split("\n\n", 1)
    clinic.file("site.toml", f'{begin}name = "charges"{feed}{RHYTHM}\n{after}')


def silent(clinic: Any) -> list[dict[str, Any]]:
    ran = clinic("worklist", "--json")
    assert ran.code == 0, ran.err
    return [row for row in ran.rows() if row["kind"] == "feed-silent"]


def test_silence_is_on_the_work_list_until_the_feed_speaks(clinic: Any, say: SimpleNamespace) -> None:
    promising(clinic)
    clinic.file("one.hl7", say.dft("C1").replace(b"|2.5.1\r", b"|2.5.1|7\r", 1))
    clinic.file("two.hl7", say.dft("C9").replace(b"|2.5.1\r", b"|2.5.1|9\r", 1))
    assert clinic("ingest", "one.hl7", "--now", "2026-01-16T19:00:00Z").code == 0  # a Friday; Monday is a holiday
    assert clinic("run-due", "--now", "2026-01-16T19:01:00Z").code == 0
    assert silent(clinic) == []
    assert clinic("run-due", "--now", "2026-01-16T21:01:00Z").code == 0
    (item,) = silent(clinic)
    assert (item["code"], item["about"], item["category"]) == ("silent", "charges", "feed")
    # Its time begins with the first look at it.
    assert item["detail"] == (
        "nothing since 2026-01-16T19:00:00+00:00; expected by 2026-01-16T21:01:00+00:00; last control id C1"
    )
    assert item["opened"].startswith("2026-01-16T21:01:00")
    assert clinic("ingest", "two.hl7", "--now", "2026-01-20T14:00:00Z").code == 0
    assert clinic("run-due", "--now", "2026-01-20T14:01:00Z").code == 0
    (gap,) = silent(clinic)
    assert (gap["code"], gap["about"]) == ("sequence-gap", "charges")
    assert clinic("rebuild", "--check").code == 0


def test_a_rhythm_that_makes_no_sense_is_refused_with_its_place(clinic: Any) -> None:
    promising(clinic)
    clinic.file("site.toml", (clinic.folder / "site.toml").read_text().replace("closes = 18", "closes = 07"))
    ran = clinic("run-due")
    assert ran.code != 0
    assert "feeds.0.rhythm" in ran.err
    assert "closes before it opens" in ran.err
