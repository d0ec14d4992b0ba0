"""Hypothesis profiles, the browser marker, and where the checkout lies. Nothing of the domain stands here."""

from __future__ import annotations

import os
import pathlib
import shutil

import pytest
from hypothesis import HealthCheck, settings

# `check` and `test` repeat the same examples; `soak` draws new ones and says how to repeat a failure.
settings.register_profile("check", max_examples=40, derandomize=True, deadline=None, database=None)
settings.register_profile("test", max_examples=150, derandomize=True, deadline=None, database=None)
settings.register_profile(
    "soak",
    max_examples=2000,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("check")


def chromium() -> str | None:
    """The Chromium on this machine, or None. `ONCOCLAIMS_CHROMIUM` names one that is not on the path."""
    return os.environ.get("ONCOCLAIMS_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a browser where there is none, loudly."""
    if chromium():
        return
    for item in items:
        if "browser" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="no Chromium: apt-get install chromium"))


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Path of the Chromium to drive; skips where there is none."""
    found = chromium()
    if found is None:
        pytest.skip("no Chromium: apt-get install chromium")
    return found


@pytest.fixture(scope="session")
def source_tree() -> pathlib.Path:
    """The checkout. `make test` copies the tests away from it and says in `ONCOCLAIMS_TREE` where it is."""
    tree = pathlib.Path(os.environ.get("ONCOCLAIMS_TREE") or pathlib.Path(__file__).parents[1]).resolve()
    if not (tree / "Makefile").is_file():
        pytest.skip("no checkout: the tests run apart from the source tree and ONCOCLAIMS_TREE is not set")
    return tree
