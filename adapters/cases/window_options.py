"""What a case says of the window around an IMRT plan, as options of its payer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from adapters.cases.document import CODE, TEXT, WHOLE, Fields, Items, Value, items, text, tree

if TYPE_CHECKING:
    from adapters.cases.options import Settled


def window(value: Value, settled: Settled) -> None:
    """Whom the window binds, how long it is, and what a simulation to verify needs; the rest is checked against the rule."""
    window = tree(value)
    settled.window = window
    for place in items(window.get("applies_to")):
        if text(place) in ("freestanding", "professional"):
            settled.payer[f"imrt_window.{text(place)}"] = "yes"
    if "days_after" in window:  # Medicare's window has a length of its own, a commercial payer's is an option
        settled.payer["imrt_window.days_before"] = text(window.get("days_before"))
        settled.payer["imrt_window.days_after"] = text(window["days_after"])
    if "verification" in window:
        settled.payer["imrt_window.verification"] = text(window["verification"])


WINDOW: Final = Fields(
    {
        "days_before": WHOLE,
        "days_after": WHOLE,
        "bundled": Items(CODE),
        "applies_to": Items(TEXT),
        "bypass_modifier": TEXT,
        "bypass_if": TEXT,
        "verification": TEXT,
    },
    frozenset({"days_before", "bundled"}),
)
