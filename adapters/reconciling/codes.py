"""Detectors that look at the codes themselves (radiation-oncology.md 10.2, nos. 11 to 14; add-ons): is a line of its date,
place, payer and authorization at all?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Final

from adapters.model.coverage import Authorization
from adapters.model.reconciliation import Detection
from adapters.reconciling.scene import Line, Scene
from adapters.rules import Decision

_MEDICARE: Final = "medicare"
_VISIT: Final = "visit"
_APART: Final = frozenset({"25", "57"})
_NO_PROCEDURE: Final = frozenset({_VISIT, "drug", ""})
_BUNDLED: Final = "B"
_FOLLOWS: Final = "24"
_OF_THE_COURSE: Final = frozenset({"delivery", "management"})


def code_not_in_force(scene: Scene) -> Iterator[Detection]:
    """No. 11: a code that is not in force on its date, or of the code set of another kind of place (4)."""
    desk = scene.desk
    for line in scene.lines:
        if line.held:
            continue
        if desk.rules.attributes(line.code, line.day) is None:
            if desk.rules.knows(line.code):
                detail = f"{line.code} is not in force on {line.day}"
                yield scene.found("code-not-in-force", line, line.amount, detail)
            continue
        words = desk.on(line.day, desk.place_of(line.charge.entity)).words
        said = desk.rules.decide("code-places", line.day, {**words, "code": line.code})
        if isinstance(said, Decision) and "wrong" in said.values:
            yield scene.found(
                "code-not-in-force", line, line.amount, f"{line.code} on {line.day}: {said.values['wrong']}"
            )


def bundled_charged(scene: Scene) -> Iterator[Detection]:
    """No. 12: what Medicare does not pay apart: status B, or the technical part of a code whose technical part is bundled."""
    desk = scene.desk
    for line in scene.lines:
        words = desk.on(line.day, desk.place_of(line.charge.entity)).words
        known = desk.rules.attributes(line.code, line.day)
        if line.held or known is None or words["payer.kind"] != _MEDICARE:
            continue
        technical = line.technical or ("26" not in line.charge.modifiers and known.pctc == "1")
        if known.status == _BUNDLED or (known.tc_bundled and technical):
            part = "" if known.status == _BUNDLED else " without modifier 26"
            detail = f"{line.code}{part} on {line.day} to Medicare"
            yield scene.found("bundled-charged", line, -line.amount, detail)


def visit_unmarked(scene: Scene) -> Iterator[Detection]:
    """No. 13: a visit beside a procedure of its date without modifier 25, or within the days after a course's end."""
    desk = scene.desk
    procedures = [line for line in (*scene.lines, *scene.beside) if line.service not in _NO_PROCEDURE]
    course = [line for line in procedures if line.service in _OF_THE_COURSE and not line.held]
    # A visit for drugs is another specialty's: the course's follow-up does not include it.
    ends = {} if scene.episode.kind == "infusion" else _ends(course)
    for line in scene.of(_VISIT):
        if line.held:
            continue
        same = [p for p in procedures if p.day == line.day and p.charge.entity == line.charge.entity and not p.held]
        if same and not _APART & set(line.charge.modifiers):
            detail = f"{line.code} on {line.day} beside {same[0].code} without modifier 25"
            yield scene.found("visit-unmarked", line, -line.amount, detail)
            continue
        days = desk.days("followup.days", line.day, desk.place_of(line.charge.entity))
        last = ends.get(line.charge.entity)
        after = last is not None and last < line.day <= last + timedelta(days=days)
        if after and _FOLLOWS not in line.charge.modifiers:
            detail = f"{line.code} on {line.day}, within {days} days after the last session on {last}"
            yield scene.found("visit-unmarked", line, -line.amount, detail)


def _ends(course: Iterable[Line]) -> dict[str, date]:
    """The last day of the person's courses by the entity that bills them."""
    found: dict[str, date] = {}
    for line in course:
        entity = line.charge.entity
        found[entity] = max(found.get(entity, line.day), line.day)
    return found


def over_authorized(scene: Scene) -> Iterator[Detection]:
    """No. 14: units of the prior authorizations against the lines of their codes, payer and days (9).

    A line is of the authorization that it bears, else of the one that ends first and has enough left.
    """
    known = scene.desk.contexts.authorizations
    left = {one.number: one.units for one in known if one.units is not None}
    for line in scene.lines if left else ():
        fitting = [] if line.held else [one for one in known if _fits(scene, line, one)]
        fitting = [one for one in fitting if one.number == line.charge.authorization] or fitting
        if not fitting or any(one.number not in left for one in fitting):
            continue
        fitting.sort(key=lambda one: (left[one.number] < line.units, one.end or date.max, one.number))
        taken = fitting[0]
        over = line.units - max(left[taken.number], 0)
        left[taken.number] -= line.units
        if over > 0:
            detail = f"{line.code} on {line.day} is beyond the {taken.units} units of its authorization"
            yield scene.found("over-authorized", line, over * (line.amount // line.units), detail)


def _fits(scene: Scene, line: Line, authorization: Authorization) -> bool:
    """Whether an authorization is for the line; one that names no codes is for sessions."""
    context = scene.desk.on(line.day, scene.desk.place_of(line.charge.entity))
    if context.payer is None or context.payer.id != authorization.payer or not authorization.holds_on(line.day):
        return False
    return line.code in authorization.codes if authorization.codes else line.service == "delivery"


def addon_alone(scene: Scene) -> Iterator[Detection]:
    """An add-on of which none of its primaries is charged on its date or in its visit (add-on edits of type 1)."""
    desk = scene.desk
    for line in scene.lines:
        if line.held or line.role == "motion-simulation":
            continue
        addon = desk.rules.addons(line.code, line.day)
        if addon is None or addon.type != "1" or not addon.primaries:
            continue
        if line.role == "further" and not scene.with_role("initial"):
            continue  # said by `initial-missing`
        # A visit may cross midnight: what it adds to may bear the date before.
        visit = scene.lines if scene.episode.kind == "infusion" else ()
        others = (*visit, *(x for x in (*scene.lines, *scene.beside) if x.day == line.day))
        if not any(other.code in addon.primaries for other in others):
            yield scene.found("addon-alone", line, -line.amount, f"{line.code} on {line.day} without its primary")
