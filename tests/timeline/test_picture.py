"""The picture of a visit: its marks stand where the minutes are, it says in words what it shows, and names nobody."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree as ET

from adapters.timeline import heading, svg, table, told
from adapters.timeline.picture import SHADES
from tests.model.visits import dose, everything, place, seen

SPACE = "{http://www.w3.org/2000/svg}"


def drawn(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - our own words


def words(root: ET.Element) -> list[str]:
    return [one.text or "" for one in root.iter(f"{SPACE}text")]


def boxes(root: ET.Element, fill: str) -> list[tuple[float, float]]:
    """(x, width) of the bars of a fill, without the thinner band of minutes and the legend."""
    bars = (one for one in root.iter(f"{SPACE}rect") if one.get("height") == "18" and one.get("fill") == fill)
    return [(float(one.get("x", "")), float(one.get("width", ""))) for one in bars]


def test_bars_are_as_long_as_their_minutes() -> None:
    root = drawn(svg(seen(*everything())))
    hours = {
        one.text: float(one.get("x", "")) for one in root.iter(f"{SPACE}text") if one.get("text-anchor") == "middle"
    }
    hour = hours["10:00"] - hours["09:00"]
    (port, arm) = boxes(root, SHADES["initial"])
    assert abs(port[0] - hours["09:00"]) < 0.2
    assert abs(port[1] - hour) < 0.2
    assert abs(arm[1] - hour * 40 / 60) < 0.2
    further = boxes(root, SHADES["additional"])
    assert [round(wide / hour * 60) for _, wide in further] == [5, 116]
    outlines = boxes(root, "#ffffff")
    assert any(abs(wide - hour * 65 / 60) < 0.2 for _, wide in outlines)


def test_codes_and_units_stand_below_their_minutes() -> None:
    said = words(drawn(svg(seen(*everything()))))
    for label in (
        "initial 96413 ×1",
        "further hours 96415 ×2",
        "concurrent 96368 ×1",
        "sequential 96367 ×1",
        "subsequent push 96375 ×1",
        "sequential hydration 96361 ×1",
        "J9267-JZ ×300",
        "99214 ×1",
        "waits: no stop time",
        "284 billed minutes",
        "Access site: left arm, a further one that was required",
        "09:00 to 12:21, 181 min, pauses 20",
    ):
        assert label in said, label


def test_words_of_one_row_do_not_run_over_one_another() -> None:
    root = drawn(svg(seen(*everything())))
    lines: dict[str, list[tuple[float, int]]] = {}
    for one in root.iter(f"{SPACE}text"):
        if one.get("font-size") == "11" and one.get("text-anchor") == "start" and float(one.get("x", "")) >= 250:
            lines.setdefault(one.get("y", ""), []).append((float(one.get("x", "")), len(one.text or "")))
    assert lines
    for placed in lines.values():
        assert all(x + long * 6.4 <= other + 0.1 for (x, long), (other, _) in pairwise(sorted(placed)))


def test_held_is_hatched_and_assumed_is_dashed() -> None:
    bag = dose(
        "infusion", "09:00", "", "iron", "therapeutic", volume=250, volume__unit="mL", rate=250, rate__unit="mL/h"
    )
    sure = drawn(svg(seen(dose("infusion", "09:00", "10:00", "iron", "therapeutic"))))
    assumed = drawn(svg(seen(bag, at=place(infusion__missing_stop="compute-rate-volume"))))
    waits = drawn(svg(seen(bag)))

    def marks(root: ET.Element) -> tuple[bool, bool]:
        drawings = [one for one in root if one.tag != f"{SPACE}defs"]
        every = [inner for one in drawings for inner in one.iter()]
        hatched = any(one.get("fill") == "url(#held)" for one in every)
        return hatched, any(one.get("stroke-dasharray") == "4 3" for one in every if one.tag == f"{SPACE}rect")

    assert (marks(sure), marks(assumed)) == ((False, False), (False, True))
    assert marks(waits)[0]
    assert "09:00 to 10:00, 60 min, assumed" in words(assumed)


def test_a_line_without_a_price_is_hatched_and_says_its_hold() -> None:
    from tests.model.clinic import house

    at = house(options={"infusion.concurrent_min_overlap": "16"}, fees=())
    root = drawn(svg(seen(dose("infusion", "09:00", "10:00", "drug", "chemo"), at=at)))
    assert boxes(root, "url(#held)")
    assert "initial 96413 ×1 (held: price missing)" in words(root)


def test_shades_can_be_told_apart_in_grey() -> None:
    def lightness(colour: str) -> float:
        red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
        return (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255

    plain = [lightness(SHADES[role]) for role in ("initial", "additional", "hydration")]
    assert all(after - before > 0.15 for before, after in pairwise(sorted(plain)))
    root = drawn(svg(seen(*everything())))
    for role, pattern in (("sequential", "across"), ("concurrent", "along"), ("hydration", "dots")):
        assert boxes(root, SHADES[role]) == boxes(root, f"url(#{pattern})") != []


def test_the_picture_is_told_in_words_and_names_nobody() -> None:
    view = seen(*everything())
    text = svg(view)
    root = drawn(text)
    assert root.get("role") == "img"
    title, desc = root.find(f"{SPACE}title"), root.find(f"{SPACE}desc")
    assert title is not None
    assert desc is not None
    assert title.text == heading(view) == "Visit of 4 May 2026, 07:30 to 14:05"
    assert desc.text == told(view)
    for row in view.rows:
        assert row.name in told(view)
    for secret in ("Quill", "Ada", "1950", "R-1", "M-1", "p1/", "V1"):
        assert secret not in text


def test_the_picture_brings_nothing_from_elsewhere_and_runs_nothing() -> None:
    text = svg(seen(*everything()))
    root = drawn(text)
    tags = {one.tag.removeprefix(SPACE) for one in root.iter()}
    assert tags <= {"svg", "title", "desc", "defs", "pattern", "rect", "circle", "path", "text", "g"}
    names = {name for one in root.iter() for name in one.attrib}
    assert not any(name in ("style", "class") or name.startswith("on") or "href" in name for name in names)
    assert "iron &amp; &lt;salts&gt;" in text
    assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]


def test_the_table_says_the_same_line_by_line() -> None:
    rows = table(seen(*everything()))
    said = [(row.name, row.start, row.end, row.minutes, row.role, row.codes) for row in rows]
    assert said[:6] == [
        ("saline", "07:30", "08:40", "70", "sequential hydration", "96361 ×1"),
        ("dexamethasone", "08:45", "", "", "subsequent push", "96375 ×1"),
        ("dexamethasone", "08:45", "", "", "", "J1100-JZ ×12"),
        ("paclitaxel", "09:00", "10:00", "60", "initial", "96413 ×1"),
        ("paclitaxel", "10:00", "12:21", "121", "further hours", "96415 ×2"),
        ("paclitaxel", "09:00", "12:21", "", "", "J9267-JZ ×300"),
    ]
    assert {row.state for row in rows if row.role} == {"due"}
    (iron,) = (row for row in rows if row.name == "iron & <salts>")
    assert iron.state == "waits: no stop time"


def test_a_night_has_its_second_day_marked() -> None:
    night = dose("hydration", "22:00", "23:59", "saline")
    early = dose("push", "02:00", "", "opioid", "therapeutic", day="2026-05-05")
    said = words(drawn(svg(seen(night, early))))
    assert "5 May" in said
    assert "Visit of 4 May 2026, 22:00 to 5 May 02:00" in said
