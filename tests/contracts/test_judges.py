"""What we send as Claims, judged by validators that others wrote: npm `fhir`, Medplum's, and fhirkit.

Each has blind spots, so each fault that is tried on them must be seen by one at least; they are asked about R4.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.demo.day import played
from tests.cli.conftest import run

JUDGES = Path(__file__).parent / "judges"

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

FAULTS: dict[str, dict[str, Any]] = {
    "no provider": {"provider": None},
    "a use that is none": {"use": "billing"},
    "money as text": {"total": {"value": "1.0", "currency": "USD"}},
    "a patient who is an organization": {"patient": {"reference": "Organization/1"}},
    "an unknown element": {"surprise": 1},
    "no insurance": {"insurance": []},
    "a date of no calendar": {"created": "03/02/2026"},
}


@pytest.fixture(scope="module", params=[None, 7])
def claims(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Every Claim of a demonstrated clinic day, replacements and voids among them."""
    folder = tmp_path_factory.mktemp("judged")
    with played(folder, request.param):
        pass
    environment = {"ONCOCLAIMS_STORE": "sqlite:///demo.db", "ONCOCLAIMS_KEYS": "demo.keys"}
    told = run(("claims", "--fhir"), environment, folder)
    assert told.code == 0, told.err
    return told.out.splitlines()


def judged(modules: Path, resources: list[str]) -> list[dict[str, list[str]]]:
    """What the judges of npm say of each."""
    done = subprocess.run(
        ["node", str(JUDGES / "judge.mjs"), str(modules)],
        input="".join(f"{resource}\n" for resource in resources),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def kit(resource: str) -> list[str]:
    """What fhirkit says of it; the test is skipped where it has no wheel."""
    if importlib.util.find_spec("fhirkit") is None:
        pytest.skip("NO FHIRKIT: it has no wheel for this machine; its judgement is missing")
    import fhirkit

    return [str(problem) for problem in fhirkit.validate(resource.encode())]


def test_no_judge_of_npm_finds_fault_with_a_claim(claims: list[str], npm: Callable[[Path], Path]) -> None:
    assert claims
    for resource, found in zip(claims, judged(npm(JUDGES), claims), strict=True):
        assert found == {"fhir": [], "medplum": []}, json.loads(resource)["id"]


def test_fhirkit_finds_no_fault_with_a_claim(claims: list[str]) -> None:
    assert {resource: kit(resource) for resource in claims} == {resource: [] for resource in claims}


def test_each_fault_is_seen_by_one_of_npm_at_least(claims: list[str], npm: Callable[[Path], Path]) -> None:
    broken = []
    for change in FAULTS.values():
        claim = json.loads(claims[0]) | change
        broken.append(json.dumps({name: value for name, value in claim.items() if value is not None}))
    seen = {
        name: found["fhir"] or found["medplum"] for name, found in zip(FAULTS, judged(npm(JUDGES), broken), strict=True)
    }
    assert all(seen.values()), seen


def test_fhirkit_sees_what_is_its_to_see(claims: list[str]) -> None:
    for name in ("no provider", "money as text", "an unknown element", "no insurance"):
        claim = json.loads(claims[0]) | FAULTS[name]
        assert kit(json.dumps({n: v for n, v in claim.items() if v is not None})), name
