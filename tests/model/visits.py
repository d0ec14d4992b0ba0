"""An invented visit for drugs with one of everything that its picture can show."""

from __future__ import annotations

from datetime import date

from adapters.model.event import Event
from adapters.model.record import PersonRecord
from adapters.model.visit import VisitView
from adapters.pipeline import House
from adapters.pipeline.visiting import visit_view
from tests.model.clinic import background, fed, house, moment, report

DAY = "2026-05-04"
VISIT = "p1/visit:V1"
OPTIONS = {"infusion.concurrent_min_overlap": "16", "infusion.secondary_hydration_code": "96361"}


def dose(kind: str, start: str, end: str = "", drug: str = "", drug_class: str = "", **more: object) -> Event:
    """A dose of the visit, at the port where no other site is said."""
    said: dict[str, object] = {"visit": "V1", "drug.name": drug or kind, **more}
    if kind in ("infusion", "push", "hydration"):
        said = {"site": "port", "route": "iv", **said}
    if drug_class:
        said["class"] = drug_class
    day = str(said.pop("day", DAY))
    return report(kind, f"{day}T{start}", end=f"{day}T{end}" if end else "", **said)  # type: ignore[arg-type]


def everything() -> list[Event]:
    """Fluids, pushes, an infusion with a pause, one beside it, one without a stop, a second site, an injection, a visit."""
    half = {"keys": ("part:a",), "code": "J9267", "dose": 150, "dose__unit": "mg"}
    vials = {"vial": ("1|300|mg|single-dose|99701-301-12|50|mL",), "waste": 0, "waste__unit": "mg"}
    return [
        dose("hydration", "07:30", "08:40", "saline"),
        dose(
            "push",
            "08:45",
            "",
            "dexamethasone",
            "therapeutic",
            code="J1100",
            dose=12,
            dose__unit="mg",
            waste=0,
            waste__unit="mg",
        ),
        dose("infusion", "09:00", "10:05", "paclitaxel", "chemo", **vials, **half),
        dose("infusion", "10:25", "12:21", "paclitaxel", "chemo", **half),
        dose("infusion", "09:10", "10:00", "leucovorin", "therapeutic"),
        dose("infusion", "12:25", "12:58", "magnesium", "therapeutic"),
        dose("infusion", "14:00", "", "iron & <salts>", "therapeutic"),
        dose("infusion", "13:00", "13:40", "antibody", "chemo", site="left arm", second_site_reason="protocol"),
        dose("injection", "14:05", "", "growth factor", "therapeutic", route="sc"),
        report("office-visit", f"{DAY}T08:00", visit="V1", em_code="99214", separately_identifiable=True),
    ]


def place(setting: str = "hospital", **options: str) -> House:
    """A clinic with the options of infusions; `__` stands for a point."""
    return house(setting, options={**OPTIONS, **{name.replace("__", "."): word for name, word in options.items()}})


def recorded(*events: Event, at: House | None = None, evening: str = DAY) -> PersonRecord:
    """The record of the person after these reports."""
    return fed([*background(), *events], at or place(), moment(date.fromisoformat(evening)))


def seen(*events: Event, at: House | None = None) -> VisitView:
    """The visit of these reports as it is shown."""
    at = at or place()
    view = visit_view(recorded(*events, at=at), VISIT, at)
    assert view is not None
    return view
