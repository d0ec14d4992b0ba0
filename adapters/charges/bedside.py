"""A visit for drugs: its administrations, its drugs, and the physician's visit beside them."""

from __future__ import annotations

from adapters.charges.administration_lines import derives
from adapters.charges.drugs import drugs
from adapters.charges.infusion_visit import administrations
from adapters.charges.injections import near
from adapters.charges.lines import Bench
from adapters.charges.visits import beside, visit_lines
from adapters.model.charge import Release

_WITH_DRUGS = "99211"
"""The visit that is never billed beside the administration of a drug (1.3 I12)."""


def bedside(bench: Bench) -> None:
    """Everything that the visit owes."""
    administrations(bench)
    drugs(bench)
    _visits(bench)
    for one in bench.episode.occurrences:
        family = "visit" if one.kind == "office-visit" else "administration"
        if one.happened and not derives(bench, one, family):
            bench.idle.setdefault(one.primary.id, "billed-elsewhere")


def _visits(bench: Bench) -> None:
    """Visits on a day of administrations need to be separate, and bear 25; 99211 is part of the administration (I12)."""
    procedures = [*bench.charges, *(h.would for h in bench.holds if h.would and h.release is not Release.NEVER)]
    for visit in bench.episode.of("office-visit"):
        if not derives(bench, visit, "visit"):
            continue
        given = any(one.day == visit.day and one.happened and one.kind != "office-visit" for one in near(bench))
        if given and visit.value("em_code") == _WITH_DRUGS:
            bench.idle[visit.primary.id] = "included-in-administration"
            continue
        lines = visit_lines(bench, visit, "visit")
        if lines is None:
            continue
        if not lines:
            bench.idle.setdefault(visit.primary.id, "billed-elsewhere")
        for line in lines:
            beside(bench, visit, line, procedures)
