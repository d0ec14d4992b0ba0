"""Programs of others that are installed once outside the tree and run as processes of their own."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
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
