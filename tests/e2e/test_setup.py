"""A set-up with faults: all of them told at once, each with file and line, and the service does not start."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = pytest.mark.system

LIMITS = """id = "course-limits"
kind = "decision"
key = "date-of-service"
title = "Limits of a course, with five faults"
facts = ["service", "code"]
gives = ["limit", "hold"]

[[versions]]
since = 2015-01-01
review = 2027-01-01
cite = "house"

[[versions.rows]]
when = { servise = "planning" }
then = { limit = "1", hold = "units-exceeded" }

[[versions.rows]]
when = { code = "77338" }
then = { limit = "1", hold = "no-such-hold" }

[[versions.rows]]
when = { code = "77300", "option.limits.nobody" = "present" }
then = { limit = "=option:limits.nobody", hold = "units-exceeded" }

[[versions.examples]]
given = { service = "planning" }
gives = { limit = "1", hold = "units-exceeded" }
"""


@pytest.fixture(scope="module")
def overlay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An overlay with one file, which has five faults."""
    folder = tmp_path_factory.mktemp("overlay") / "ours"
    (folder / "edits").mkdir(parents=True)
    (folder / "edits" / "course-limits.toml").write_text(LIMITS, encoding="utf-8")
    return folder


def line_of(text: str) -> int:
    """The line on which the text first stands."""
    return LIMITS[: LIMITS.index(text)].count("\n") + 1


def test_five_faults_of_a_mapping_are_all_told_with_their_lines(make_clinic: Callable[..., Any], overlay: Path) -> None:
    clinic = make_clinic()
    checked = clinic.process("rules", "check", "--mappings", str(overlay))
    assert (checked.code, checked.out) == (1, "")
    file = overlay / "edits" / "course-limits.toml"
    assert checked.err.splitlines() == [
        f"{file}:{line_of('review =')}: unknown key 'review'",
        f"{file}:{line_of('when = { servise')}: the rule names no fact 'servise'",
        f"{file}:{line_of('no-such-hold')}: there is no hold 'no-such-hold'",
        f"{file}:{line_of('option.limits')}: there is no option 'limits.nobody'",
        f"{file}:{line_of('=option:limits')}: there is no option 'limits.nobody'",
    ]


def test_the_service_does_not_start_on_them(make_clinic: Callable[..., Any], overlay: Path) -> None:
    clinic = make_clinic()
    started = clinic.process("serve", "--mappings", str(overlay), "--mllp-port", "0", "--http-port", "0")
    assert started.code == 1
    assert started.err == clinic.run("rules", "check", "--mappings", str(overlay)).err
    assert "Traceback" not in started.err


def test_a_mended_overlay_is_taken(make_clinic: Callable[..., Any], tmp_path: Path) -> None:
    clinic = make_clinic()
    folder = tmp_path / "ours"
    (folder / "edits").mkdir(parents=True)
    mended = LIMITS
    for wrong, right in (
        ("review =", "review_by ="),
        ("servise", "service"),
        ("no-such-hold", "units-exceeded"),
        (', "option.limits.nobody" = "present"', ""),
        ("=option:limits.nobody", "9"),
    ):
        mended = mended.replace(wrong, right)
    (folder / "edits" / "course-limits.toml").write_text(mended, encoding="utf-8")
    (folder / "codes").mkdir()
    header = (resources.files("mappings") / "codes" / "attributes.csv").read_text(encoding="utf-8").splitlines()[0]
    ours = dict.fromkeys(header.split(","), "") | {"code": "77300", "label": "ours", "service": "dosimetry"}
    ours |= {"from": "2015-01-01", "pctc": "1", "status": "A", "cite": "our payer"}
    (folder / "codes" / "attributes.csv").write_text(f"{header}\n{','.join(ours.values())}\n", encoding="utf-8")
    shipped = clinic.run("rules", "check").out
    taken = clinic.run("rules", "check", "--mappings", str(folder))
    assert (taken.code, taken.err) == (0, "")
    assert taken.out.rpartition(" ")[2] != shipped.rpartition(" ")[2], "another digest"


def test_a_port_in_use_is_told(make_clinic: Callable[..., Any], tools: SimpleNamespace) -> None:
    clinic = make_clinic()
    first = clinic.serve()
    taken = {"--mllp-port": first.mllp, "--http-port": first.http, "--health-port": first.health}

    def second(option: str) -> Any:
        free = [word for other in sorted(taken.keys() - {option}) for word in (other, "0")]
        return clinic.process("serve", option, str(taken[option]), *free)

    with ThreadPoolExecutor() as several:
        for option, ended in zip(taken, several.map(second, taken), strict=True):
            assert ended.code == 1
            assert str(taken[option]) in ended.err
            assert "Traceback" not in ended.err
    assert first.tell(tools.dft("AFTER-1")).code == "AA", "the first one goes on"
    assert first.stop() == 0


def test_beyond_this_machine_the_service_does_not_listen(make_clinic: Callable[..., Any]) -> None:
    clinic = make_clinic()
    refused = clinic.process("serve", "--host", "0.0.0.0", "--mllp-port", "0", "--http-port", "0")  # noqa: S104
    assert refused.code == 1
    assert "beyond this machine" in refused.err
    assert "Traceback" not in refused.err


def test_a_feed_that_the_site_does_not_have(make_clinic: Callable[..., Any]) -> None:
    clinic = make_clinic()
    nofeed = clinic.process("serve", "--fhir-feed", "nobody", "--mllp-port", "0", "--http-port", "0")
    assert (nofeed.code, "nobody" in nofeed.err) == (1, True)


def test_roles_can_be_parted(make_clinic: Callable[..., Any], tools: SimpleNamespace) -> None:
    """One process takes what comes, another one reads it."""
    clinic = make_clinic()
    intake = clinic.serve("--role", "intake,web")
    assert intake.tell(tools.dft("PART-1")).code == "AA"
    assert clinic.run("charges", "--json").rows() == []
    worker = clinic.serve("--role", "worker")
    tools.eventually(lambda: len(clinic.run("charges", "--json").rows()) == 1)
    assert intake.tell(tools.dft("PART-2", mrn="TP-PART")).code == "AA"
    tools.eventually(lambda: len(clinic.run("charges", "--json").rows()) == 2)
    assert (intake.stop(), worker.stop()) == (0, 0)
    assert clinic.run("verify").code == 0
