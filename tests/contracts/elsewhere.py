"""Programs of others that are installed once outside the tree and run as processes of their own."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

EHRS = Path(__file__).parent / "ehrs"
INSTALL_SECONDS = 300


def cached(name: str, lock: Path, install: Callable[[Path], str]) -> Path:
    """The folder that `install` filled for a lock, made once outside the tree; skips with the reason it gives."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / name
    place = cache / hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    if (place / "ready").exists():
        return place
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    if reason := install(place):
        pytest.skip(reason)
    (place / "ready").touch()
    return place


def python_peers() -> Path:
    """The `bin` of an environment with the Python counterparts of the lock; skips where pip cannot make it."""
    lock = EHRS / "requirements.lock"

    def install(place: Path) -> str:
        ran(sys.executable, "-m", "venv", place / "venv")
        quiet = ("--disable-pip-version-check", "--quiet", "--retries=1")
        pip = (place / "venv/bin/python", "-m", "pip", "install", *quiet)
        done = ran(*pip, "--only-binary", ":all:", "--require-hashes", "-r", lock)
        assert "DO NOT MATCH THE HASHES" not in done.stderr, "a package is another than the lock's"
        return "pip cannot install the FHIR peers of others: they are not run" if done.returncode else ""

    return cached("oncoclaims-fhir-peers", lock, install) / "venv/bin"


def ran(*words: object, cwd: Path | None = None, seconds: float = INSTALL_SECONDS) -> subprocess.CompletedProcess[str]:
    """A command that ended, whatever it said."""
    told = [str(word) for word in words]
    return subprocess.run(told, cwd=cwd, capture_output=True, text=True, check=False, timeout=seconds)


def reached(port: int) -> None:
    """Wait until somebody listens."""
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
            return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
