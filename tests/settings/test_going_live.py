"""What the site file says of going live: where each day stands, and what is refused."""

from __future__ import annotations

from datetime import date

import pytest

from adapters.model.live import Live, Stage, decided_over, governing, live_problems

DAY, LATER = date(2026, 3, 2), date(2026, 4, 1)


def test_a_row_says_how_far_the_site_is() -> None:
    row = Live(shadow_from=DAY, live_from=LATER)
    days = (date(2026, 3, 1), DAY, date(2026, 3, 31), LATER)
    assert [row.stage(day) for day in days] == [Stage.BEFORE, Stage.SHADOW, Stage.SHADOW, Stage.LIVE]
    assert Live(live_from=LATER).stage(date(2000, 1, 1)) is Stage.SHADOW
    assert Live(shadow_from=DAY).stage(date(2099, 1, 1)) is Stage.SHADOW


@pytest.mark.parametrize(
    ("scopes", "winner"),
    [
        ([("", "", ""), ("", "", "infusion")], ("", "", "infusion")),
        ([("", "", "infusion"), ("", "", "drug")], ("", "", "drug")),
        ([("e", "", ""), ("", "p", ""), ("", "", "infusion")], ("", "", "infusion")),
        ([("e", "", ""), ("", "p", "")], ("", "p", "")),
        ([("e", "p", ""), ("", "", "drug")], ("e", "p", "")),
        ([("x", "", ""), ("", "", "radiation")], None),
    ],
)
def test_the_row_that_names_most_governs(
    scopes: list[tuple[str, str, str]], winner: tuple[str, str, str] | None
) -> None:
    for rows in (scopes, scopes[::-1]):
        found = governing([Live(*scope, live_from=DAY) for scope in rows], "e", "p", "drug")
        assert (found.scope if found else None) == winner


def test_what_was_decided_stands_over_the_file() -> None:
    site = [Live(service="drug", live_from=DAY, place="families.0"), Live(payer="p", live_from=DAY, place="payers.p")]
    decided = [Live(service="drug", live_from=LATER, place="live 2026")]
    assert {(row.words, row.live_from, row.place) for row in decided_over(site, decided)} == {
        ("drug", LATER, "live 2026"),
        ("p", DAY, "payers.p"),
    }


def test_contradictions_and_strangers_are_named_all_at_once() -> None:
    rows = [
        Live(service="drug", live_from=DAY, place="a"),
        Live(service="drug", live_from=LATER, place="b"),
        Live(service="drug", live_from=DAY, place="c"),
        Live("e", "q", "drugs", LATER, DAY, "d"),
        Live(place="f"),
    ]
    assert list(live_problems(rows, ["e"], ["p"], ["drug"])) == [
        "b: says another day of drug than a",
        "d: there is no payer 'q'",
        "d: there is no service family 'drugs'",
        "d: shadow_from 2026-04-01 is after live_from 2026-03-02",
        "f: neither shadow_from nor live_from is there",
    ]
