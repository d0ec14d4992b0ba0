"""The collector: it looks seldom from the start of the program, and cycles go all the same."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from adapters.cli import collecting
from adapters.cli.app import main


@pytest.fixture
def as_it_was() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


class Ring:
    """Holds itself."""

    def __init__(self) -> None:
        self.own = self


@pytest.mark.usefixtures("as_it_was")
def test_the_program_looks_for_cycles_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["oncoclaims", "--help"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 0
    assert gc.get_threshold()[0] == collecting.MADE
    assert gc.get_freeze_count() > 0


@pytest.mark.usefixtures("as_it_was")
def test_cycles_go_without_being_asked() -> None:
    collecting.collect_seldom()
    ring = weakref.ref(Ring())
    kept = [[n] for n in range(collecting.MADE + 1000)]
    assert len(kept) > collecting.MADE
    assert ring() is None
