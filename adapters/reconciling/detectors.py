"""All detectors over one record. Their words, citations and next steps stand in mappings/reconciling/detectors.toml."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Final

from adapters.charges import Assembly
from adapters.model.reconciliation import Detection
from adapters.model.record import PersonRecord
from adapters.reconciling.beam import (
    fraction_uncharged,
    guidance_uncharged,
    imrt_pair,
    level_mismatch,
    management_conflict,
    management_units,
    management_without_exam,
    motion_simulation,
    physics_units,
    simulation_in_plan,
)
from adapters.reconciling.codes import addon_alone, bundled_charged, code_not_in_force, over_authorized, visit_unmarked
from adapters.reconciling.desk import Desk
from adapters.reconciling.infusions import (
    administration_uncharged,
    dose_uncharged,
    drug_units,
    drug_without_dose,
    hydration_beside,
    initial_doubled,
    initial_missing,
    orders_without_dose,
    stop_time_missing,
    wastage_unmarked,
)
from adapters.reconciling.scene import Scene, scenes

Detector = Callable[[Scene], Iterator[Detection]]

OF_COURSES: Final[Mapping[str, Detector]] = {
    "fraction-uncharged": fraction_uncharged,
    "guidance-uncharged": guidance_uncharged,
    "management-units": management_units,
    "management-without-exam": management_without_exam,
    "physics-units": physics_units,
    "imrt-pair": imrt_pair,
    "motion-simulation": motion_simulation,
    "simulation-in-plan": simulation_in_plan,
    "level-mismatch": level_mismatch,
    "management-conflict": management_conflict,
}
OF_VISITS: Final[Mapping[str, Detector]] = {
    "dose-uncharged": dose_uncharged,
    "administration-uncharged": administration_uncharged,
    "drug-units": drug_units,
    "wastage-unmarked": wastage_unmarked,
    "initial-missing": initial_missing,
    "initial-doubled": initial_doubled,
    "hydration-beside": hydration_beside,
    "stop-time-missing": stop_time_missing,
}
OF_LINES: Final[Mapping[str, Detector]] = {
    "code-not-in-force": code_not_in_force,
    "bundled-charged": bundled_charged,
    "visit-unmarked": visit_unmarked,
    "over-authorized": over_authorized,
    "addon-alone": addon_alone,
    "drug-without-dose": drug_without_dose,
}
ORDERS: Final = "order-without-dose"


def detected(record: PersonRecord, assembly: Assembly, desk: Desk, today: date) -> Iterator[Detection]:
    """All that the detectors say of a person's record on a day, but those that the site has turned off."""
    off = set(desk.option("reconcile.off", today).split())
    for scene in scenes(record, assembly, desk, today):
        own = OF_VISITS if scene.episode.kind == "infusion" else OF_COURSES
        for id, detector in (*own.items(), *OF_LINES.items()):
            if id not in off:
                yield from detector(scene)
    if ORDERS not in off:
        yield from orders_without_dose(desk, assembly, record.person, today)
