"""What a case says of filing in time, as options of the payer of each coverage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from adapters.cases.document import Value, text, tree

if TYPE_CHECKING:
    from adapters.cases.options import Settled

_FILING: Final = {"limit": "timely.limit", "warn_days": "timely.warn_days", "cut_off": "timely.cut_off"}
"""What a case says of filing in time → the payer's option of the same meaning."""
_FILED: Final = {
    "clock": "receipt",
    "professional": "from-date-of-line",
    "institutional": "through-date-of-claim",
    "returned_claim_counts": "false",
    "returned_claim_resent_as": "frequency-1",
    "appeal_with_proof": "true",
}
"""What else it may say, of which only this is built."""


def timely(value: Value, settled: Settled) -> None:
    """Limits and clocks by coverage; a line past its limit is held where the case says so, else it goes out."""
    for coverage, said in tree(value).items():
        own = settled.by_coverage.setdefault(coverage, {"timely.past_limit": "send"})
        for name, one in tree(said).items():
            if name in _FILING:
                own[_FILING[name]] = text(one)
            elif name == "weekend":
                own["timely.weekend"] = text(one)
            elif (name, text(one)) == ("past_limit", "hold-line"):
                own["timely.past_limit"] = "hold"
            elif _FILED.get(name) != text(one):
                settled.missing(f"timely_filing.{coverage}.{name}: {text(one)}")
