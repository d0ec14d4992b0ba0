"""Run the checks of the house part by part, print the time of each, and close with the counts.

`check`: lint, form, types, rules, the quick tests, in the working tree. `test`: the same parts, then the
wheel is built and installed beside the locked packages in a clean environment, and the whole suite runs there
from a scratch folder, so that nothing can be imported from the source tree. `soak`: the property tests, and the tests
marked `soak` at their long sizes (kills, power cuts, the database away), again and again with fresh seeds for as long
as asked. Every part runs even when an earlier one failed; the exit code is 1 if any did.

Run by make with the interpreter of `.venv`. Standard library only.
"""

from __future__ import annotations

import argparse
import collections
import os
import pathlib
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import venv
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Callable

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOOLS = pathlib.Path(sys.executable).parent
PACKAGES = ("adapters", "mappings", "fhir_server_stub")
QUICK = "not slow and not system"
HALF = tuple(
    f"tests/{name}" for name in ("properties", "store", "cases", "demo", "pipeline", "stub", "ehr", "intake", "browser")
)
"""Of the tests, by the time they take: the second of two streams."""

Part = tuple[str, Callable[[], bool]]


def run(*command: str | pathlib.Path, cwd: pathlib.Path = ROOT, **environ: str) -> bool:
    """Run a command with its output shown; whether it ended well."""
    sys.stdout.flush()
    return subprocess.run(list(command), cwd=cwd, env={**os.environ, **environ}, check=False).returncode == 0


def timed(parts: list[Part]) -> list[str]:
    """Run the parts in order, print how long each took, and return the names of those that failed."""
    times: list[tuple[str, float, bool]] = []
    for name, part in parts:
        print(f"\n== {name}", flush=True)
        begin = time.monotonic()
        good = part()
        times.append((name, time.monotonic() - begin, good))
    print("\n== time of each part")
    for name, seconds, good in times:
        print(f"{seconds:8.1f} s  {name}{'' if good else '  FAILED'}")
    print(f"{sum(seconds for _, seconds, _ in times):8.1f} s  in all")
    return [name for name, _, good in times if not good]


def house_parts() -> list[Part]:
    """Lint, form, types and the rules' own examples: what needs no test run."""
    return [
        ("lint", lambda: run(TOOLS / "ruff", "check", ".")),
        ("form", lambda: run(TOOLS / "ruff", "format", "--check", ".")),
        ("types", lambda: run(TOOLS / "mypy")),
        ("rules", lambda: run(TOOLS / "oncoclaims", "rules", "check")),
    ]


def pytest_part(python: pathlib.Path, cwd: pathlib.Path, reports: pathlib.Path, *options: str, **environ: str) -> bool:
    """Run the tests in `cwd` in two streams at once, the results of each into a file of the folder `reports`.

    Two, because two cores are what there is. The second one's output follows the first's. A stream without a test is a
    failure (pytest's exit code 5).
    """
    shared = ROOT.parent / "shared"
    if shared.is_dir():
        environ.setdefault("ONCOCLAIMS_SHARED", os.environ.get("ONCOCLAIMS_SHARED", str(shared)))
    environment = {**os.environ, "ONCOCLAIMS_TREE": str(ROOT), **environ}
    reports.mkdir()
    streams = (("tests", *(f"--ignore={folder}" for folder in HALF)), HALF)
    quiet = (str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *options)
    commands = [(*quiet, f"--junitxml={reports / f'{n}.xml'}", *stream) for n, stream in enumerate(streams)]
    sys.stdout.flush()
    with (reports / "second.txt").open("w+") as said:
        second = subprocess.Popen(commands[1], cwd=cwd, env=environment, stdout=said, stderr=subprocess.STDOUT)
        first = subprocess.run(commands[0], cwd=cwd, env=environment, check=False).returncode
        both = (first, second.wait())
        said.seek(0)
        print(f"\n-- {' '.join(HALF)}\n{said.read()}", flush=True)
    return both == (0, 0)


def closing(reports: pathlib.Path, failed: list[str]) -> int:
    """Print time by folder, what was skipped and why, and last of all the counts; return the exit code."""
    cases = [case for file in sorted(reports.glob("*.xml")) for case in ET.parse(file).iter("testcase")]  # noqa: S314 (written by us)
    spent: dict[str, float] = collections.defaultdict(float)
    number: collections.Counter[str] = collections.Counter()
    skips: collections.Counter[str] = collections.Counter()
    bad = 0
    for case in cases:
        folder = "/".join(case.get("classname", "tests").split(".")[:2])
        spent[folder] += float(case.get("time", "0"))
        number[folder] += 1
        bad += case.find("failure") is not None or case.find("error") is not None
        skipped = case.find("skipped")
        if skipped is not None:
            skips[skipped.get("message") or "no reason given"] += 1
    print("\n== tests by folder")
    for folder, seconds in sorted(spent.items()):
        print(f"{seconds:8.1f} s  {number[folder]:5d}  {folder}")
    print("\n== skipped")
    for reason, count in sorted(skips.items()):
        print(f"{count:5d}  {reason}")
    if not skips:
        print("nothing")
    if failed:
        print(f"\nFAILED parts: {', '.join(failed)}")
    left_out = skips.total()
    print(f"\n{len(cases) - bad - left_out} passed, {bad} failed, {left_out} skipped", flush=True)
    return 1 if failed or bad or not cases else 0


def check() -> int:
    """Everything quick, in the working tree."""
    with tempfile.TemporaryDirectory() as scratch:
        reports = pathlib.Path(scratch) / "reports"
        python = pathlib.Path(sys.executable)
        quick: Part = (
            "quick tests",
            lambda: pytest_part(python, ROOT, reports, "-m", QUICK, "--hypothesis-profile=check"),
        )
        failed = timed([*house_parts(), quick])
        return closing(reports, failed)


def complete(wheel: pathlib.Path) -> bool:
    """Whether the wheel holds every tracked file of the three packages: rules, tables, pages, migrations."""
    if not (ROOT / ".git").exists():
        print("no git checkout: the wheel is not compared with the tracked files")
        return True
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--", *PACKAGES], cwd=ROOT, check=True, capture_output=True, text=True
    )
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    wanted = {name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()}
    for name in sorted(wanted - held):
        print(f"tracked, but not in the wheel: {name}")
    print(f"{wheel.name}: {len(held)} files, {len(wanted & held)} of {len(wanted)} tracked ones")
    return wanted <= held


class CleanRoom:
    """A scratch folder: the wheel, an environment with it and the locked packages, a copy of the tests."""

    def __init__(self, scratch: pathlib.Path) -> None:
        """Everything lies under `scratch`; nothing is made yet."""
        self.dist = scratch / "dist"
        self.env = scratch / "env"
        self.room = scratch / "room"
        self.python = self.env / ("Scripts" if sys.platform == "win32" else "bin") / "python"

    def build(self) -> bool:
        """Build the wheel with the locked backend and see that nothing tracked is missing from it."""
        built = run(TOOLS / "python", "-m", "build", "--wheel", "--no-isolation", "--outdir", self.dist, ROOT)
        return built and all(complete(wheel) for wheel in self.dist.glob("*.whl"))

    def install(self) -> bool:
        """Install lock and wheel into a new environment; see that what is imported comes from there."""
        venv.create(self.env, with_pip=True)
        pip = (self.python, "-m", "pip", "--disable-pip-version-check", "--quiet")
        lock = ROOT / "requirements.lock"
        # The index is for the locked packages only: the wheel is taken from its folder.
        wheels = [str(wheel) for wheel in self.dist.glob("*.whl")]
        where = "import adapters, sys; sys.exit(not adapters.__file__.startswith(sys.prefix))"
        return (
            len(wheels) == 1
            and run(*pip, "install", "--only-binary", ":all:", "--require-hashes", "-r", lock)
            and run(*pip, "install", "--no-deps", "--no-index", *wheels)
            and run(*pip, "check")
            and run(self.python, "-c", where, cwd=self.env)
        )

    def test(self, reports: pathlib.Path) -> bool:
        """Run the whole suite against the installed wheel."""
        if not self.python.exists():
            return False
        self.room.mkdir()
        shutil.copytree(ROOT / "tests", self.room / "tests", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", self.room)
        # The console script of the clean environment comes first on the path.
        path = f"{self.python.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        options = ("--durations=15", "--hypothesis-profile=test")
        return pytest_part(self.python, self.room, reports, *options, PATH=path, PYTHONPATH="")


def test() -> int:
    """Everything, against the wheel."""
    with tempfile.TemporaryDirectory() as scratch:
        # PostgreSQL refuses to run as root: the server's own user must get to the binaries in here.
        pathlib.Path(scratch).chmod(0o755)
        reports = pathlib.Path(scratch) / "reports"
        room = CleanRoom(pathlib.Path(scratch))
        parts = [
            *house_parts(),
            ("wheel built", room.build),
            ("wheel installed", room.install),
            ("all tests, against the wheel", lambda: room.test(reports)),
        ]
        return closing(reports, timed(parts))


def soak(minutes: float) -> int:
    """Rounds of the long tests with a fresh seed each, until the time is over or a round fails.

    A round is begun while there is time, and is gone through to its end. `ONCOCLAIMS_SOAK` says how often its long size
    a test has in one round (1 if not said; `tests/soak.py`).
    """
    end = time.monotonic() + 60 * minutes
    factor = os.environ.get("ONCOCLAIMS_SOAK", "1")
    rounds = 0
    while True:
        # hypothesis takes its seed as an option, the others theirs from the environment.
        seed = secrets.randbelow(2**32)
        print(f"\n== round {rounds + 1}, seed {seed}", flush=True)
        parts = [
            ("property tests", ("-m", "not browser", "tests/properties")),
            ("kills, power cuts, a database that is away", ("-m", "soak", "--ignore=tests/properties", "tests")),
        ]
        for name, options in parts:
            print(f"\n-- {name}", flush=True)
            quiet = ("-q", "-rP", "-p", "no:cacheprovider", "--timeout=0")
            seeded = ("--hypothesis-profile=soak", f"--hypothesis-seed={seed}")
            command = (sys.executable, "-m", "pytest", *quiet, *seeded, *options)
            if not run(*command, ONCOCLAIMS_TREE=str(ROOT), ONCOCLAIMS_SOAK=factor, ONCOCLAIMS_SEED=str(seed)):
                print(f"round {rounds + 1} failed in: {name}. Repeat it:")
                print(
                    f"  ONCOCLAIMS_SOAK={factor} ONCOCLAIMS_SEED={seed} python -m pytest {' '.join((*seeded, *options))}"
                )
                return 1
        rounds += 1
        if time.monotonic() >= end:
            print(f"\n{rounds} rounds without a failure")
            return 0


def main() -> int:
    """Read the command line and run the suite it names."""
    parser = argparse.ArgumentParser(description="Run the checks of the house.")
    parser.add_argument("suite", choices=["check", "test", "soak"])
    parser.add_argument("--minutes", type=float, default=10.0, help="how long soak goes on")
    asked = parser.parse_args()
    if asked.suite == "soak":
        return soak(asked.minutes)
    return check() if asked.suite == "check" else test()


if __name__ == "__main__":
    sys.exit(main())
