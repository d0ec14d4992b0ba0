"""Sizes of tests in every run and in a soak."""

from __future__ import annotations

import pytest

from tests import soak


def test_without_the_variable_a_test_has_the_size_of_every_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(soak.VARIABLE, raising=False)
    assert soak.size(ci=30, long=100) == 30


def test_a_soak_has_the_long_size_so_many_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(soak.VARIABLE, "10")
    assert soak.size(ci=30, long=100) == 1000


@pytest.mark.parametrize("said", ["0", "-1", "1.5", "yes"])
def test_a_factor_that_is_none_is_said(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv(soak.VARIABLE, said)
    with pytest.raises(ValueError, match="a whole number from 1"):
        soak.size(ci=30, long=100)


def test_a_seed_is_the_same_until_another_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONCOCLAIMS_SEED", raising=False)
    assert soak.seed() == soak.seed()
    monkeypatch.setenv("ONCOCLAIMS_SEED", "7")
    assert soak.seed() == 7
