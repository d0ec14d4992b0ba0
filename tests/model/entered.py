"""Treatment as a person enters it: a week of sessions, a simulation twice, the end of the course."""

from __future__ import annotations

WEEK = "".join(
    f"""
[[event]]
kind = "fraction"
start = 2026-01-{day:02d}T09:00:00-05:00
course = "C1"
facts = {{ n = {n}, technique = "3d", modality = "photon", isocenters = 1, diagnosis = ["C61"] }}
"""
    for n, day in enumerate((5, 6, 7, 8, 9), 1)
)
TWICE = "".join(
    f"""
[[event]]
kind = "simulation"
start = 2026-01-02T{hour}:00:00-05:00
course = "C1"
facts = {{ complexity = "complex", diagnosis = ["C61"] }}
"""
    for hour in (10, 15)
)
END = '\n[[event]]\nkind = "course-end"\ndate = 2026-01-09\ncourse = "C1"\n'


def of_patient(system: str, value: str) -> str:
    """Whom a file is about."""
    return f'[patient]\nsystem = "{system}"\nvalue = "{value}"\n'
