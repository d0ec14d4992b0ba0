"""A listener for foreign senders, and those senders that come by npm, installed once outside the tree."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.model.listening import Listening, TlsFiles
from adapters.serve.mllp import start_listener
from adapters.settings import read_site, rules_of
from adapters.store import KeyRing, open_store
from adapters.wiring import SystemClock
from tests.contracts.authority import Authority
from tests.contracts.elsewhere import EHRS, cached, python_peers, ran

SENDERS = Path(__file__).parent / "senders"
INSTALL_SECONDS = 180


@pytest.fixture(scope="session")
def site_text() -> str:
    """The demo's site file without its fee table."""
    text = resources.files("adapters.demo").joinpath("site.toml").read_text(encoding="utf-8")
    return text.replace('fees = "fees.csv"', "")


@pytest.fixture
def wired(site_text: str) -> Iterator[Any]:
    """What a listener needs of the program: the demo's site, a store in memory, the machine's clock."""
    site = read_site(site_text, "site.toml", rules_of())
    with open_store("sqlite://", KeyRing.ephemeral("contracts"), SystemClock()) as store:
        yield SimpleNamespace(site=site, store=store, clock=SystemClock())


@pytest.fixture
def plain(wired: Any) -> Iterator[Any]:
    """A plain listener on a free port."""
    listener = start_listener(wired, Listening("mllp", port=0))
    yield listener
    listener.close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """The hospital's CA."""
    return Authority(tmp_path)


@pytest.fixture
def secured(wired: Any, authority: Authority) -> Iterator[Any]:
    """A listener with TLS that knows clients of the CA."""
    certificate, key = authority.issue("server")
    files = TlsFiles(str(certificate), str(key), str(authority.file))
    listener = start_listener(wired, Listening("mllps", port=0, tls=files))
    yield listener
    listener.close()


@pytest.fixture
def dft(tmp_path: Path) -> Callable[[str], Path]:
    """`dft(control)`: a file with one charge message of an invented person."""

    def made(control: str) -> Path:
        segments = (
            f"MSH|^~\\&|MOSAIQ|RADONC|ADAPTER|BILL|{datetime.now(UTC):%Y%m%d%H%M%S}||DFT^P03^DFT_P03|{control}|P|2.5.1",
            "EVN|P03|20260105101500",
            "PID|1||CT-7001^^^RADONC^MR||Sparrow^Wren||19500203|F",
            f"FT1|1|TX-{control}||20260105|20260105|CG|77300^^C4||||1",
        )
        path = tmp_path / f"{control}.hl7"
        path.write_bytes("".join(f"{segment}\r" for segment in segments).encode())
        return path

    return made


@pytest.fixture(scope="session")
def npm() -> Callable[[Path], Path]:
    """`npm(folder)`: where the packages of a folder's lock are installed, outside the tree; skips where they cannot be."""
    return _installed


@pytest.fixture(scope="session")
def npm_modules(npm: Callable[[Path], Path]) -> Path:
    """The folder of the npm senders."""
    return npm(SENDERS)


@pytest.fixture(scope="session")
def peers() -> Path:
    """The `bin` of an environment with the Python counterparts of the lock."""
    return python_peers()


@pytest.fixture(scope="session")
def medplum_modules() -> Path:
    """The folder of Medplum's modules."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("no node and npm: Medplum's server is not polled")

    def install(place: Path) -> str:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(EHRS / name, place)
        options = ("--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-timeout=20000")
        done = ran("npm", "ci", *options, cwd=place)
        assert "EINTEGRITY" not in done.stderr, "npm got a package with another digest than the lock's"
        return "npm cannot install Medplum's server: it is not polled" if done.returncode else ""

    return cached("oncoclaims-ehrs", EHRS / "package-lock.json", install)


@pytest.fixture
def medplum(medplum_modules: Path) -> Iterator[str]:
    """The base address of Medplum's server."""
    words = ["node", str(EHRS / "medplum.mjs"), str(medplum_modules)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    yield f"http://127.0.0.1:{process.stdout.readline().strip()}/fhir"
    process.terminate()
    process.wait(10)
    process.stdout.close()


def _installed(folder: Path) -> Path:
    """The packages of a lock, of its versions and digests, installed once."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip(f"no node and npm: the {folder.name} of npm are not run")
    lock = (folder / "package-lock.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / f"oncoclaims-{folder.name}"
    place = cache / hashlib.sha256(lock).hexdigest()[:16]
    if (place / "node_modules").is_dir():
        return place
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(folder / name, scratch)
        options = ("--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-timeout=20000")
        try:
            done = subprocess.run(
                [npm, "ci", *options], cwd=scratch, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS
            )
        except subprocess.TimeoutExpired:
            pytest.skip(f"npm did not install the {folder.name} within {INSTALL_SECONDS} seconds")
        # A package that is not the one of the lock is no weather.
        assert "EINTEGRITY" not in done.stderr, "npm got a package with another digest than the lock's"
        if done.returncode:
            reason = next((line for line in done.stderr.splitlines() if "code " in line), "no reason given")
            pytest.skip(f"npm cannot install the {folder.name} ({reason.strip()})")
        Path(scratch, "node_modules").rename(_made(place) / "node_modules")
    return place


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder
