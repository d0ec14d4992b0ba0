"""An explanation with its links: every sentence leads to what it rests on, and to nothing else."""

from __future__ import annotations

import pytest

from adapters.explain import Explanation
from adapters.pages.explain_read import Node, anchor, tree
from adapters.pages.names import course_name, is_plain, lane_of_name, thing_name

MESSAGE = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
CHARGE = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"
CLAIM = "cccccccc-cccc-4ccc-8ccc-cccccccccccc"


def told(says: str, source: str = "", *parts: Explanation) -> Explanation:
    return Explanation(says, source, parts)


def links(node: Node) -> list[str]:
    return [node.href, *(href for part in node.parts for href in links(part))]


def test_every_sentence_leads_to_what_it_rests_on() -> None:
    found = told(
        "77407 x 1",
        CHARGE,
        told("rule delivery", "charges/delivery.toml, since 2026-01-01"),
        told("hl7v2 from mosaiq", MESSAGE, told("technique = 3d", "FT1[2]-10"), told("coverage = m", "coverage")),
        told("the site file", "site", told("billed by = center", "facility CENTER")),
        told(f"billed on claim {CLAIM} line 1", "cycle 2026", told("denied $250.00", f"remittance, entry {CHARGE}")),
    )
    node = tree(found, lambda id: id == MESSAGE)
    assert links(node) == [
        f"/explain/{CHARGE}",
        "",
        f"/messages/{MESSAGE}",
        f"/messages/{MESSAGE}#FT1-2",
        f"/messages/{MESSAGE}",
        "",
        "",
        f"/claims/{CLAIM}",
        f"/explain/{CHARGE}",
    ]
    assert node.size == 8


def test_what_hangs_on_a_charge_of_a_message_is_not_read_in_the_message() -> None:
    found = told("hl7v2", MESSAGE, told("fraction", "FT1", told("charge 77407", CHARGE, told("paid $1.00", "cycle"))))
    assert links(tree(found, lambda id: id == MESSAGE)) == [
        f"/messages/{MESSAGE}",
        f"/messages/{MESSAGE}#FT1-1",
        f"/explain/{CHARGE}",
        "",
    ]


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("FT1[2]-10", "FT1-2"),
        ("FT1", "FT1-1"),
        ("ZRT-13", "ZRT-1"),
        ("Procedure.status", ""),
        ("", ""),
        ("assumed", ""),
    ],
)
def test_a_place_in_a_message_has_a_name_on_its_page(place: str, name: str) -> None:
    assert anchor(place) == name


def test_a_name_in_an_address_says_nothing() -> None:
    lane = MESSAGE
    assert thing_name(lane, CLAIM) == CLAIM
    secret = thing_name(lane, "posted|Meier|4711")
    assert lane_of_name(secret) == lane
    assert "Meier" not in secret
    assert thing_name(lane, "posted|Meier|4712") != secret
    assert lane_of_name(CLAIM) == ""
    assert not is_plain(secret)
    assert course_name(f"{lane}/Meier C1").startswith(f"{lane}.")
    assert "Meier" not in course_name(f"{lane}/Meier C1")
