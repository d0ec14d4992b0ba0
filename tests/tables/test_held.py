"""Tables in memory keep the contract that every implementation keeps."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date

import pytest

from adapters.model.tables import Edition, TableKind, Tables
from adapters.tables.held import HeldTables
from adapters.tables.questions import answering, outdated
from tests.tables.contract import CHECKS, EDITIONS, NEW, OLD, check_nothing_loaded, name_of


@pytest.fixture(scope="module")
def tables() -> Tables:
    """All editions, given in no order."""
    shuffled = list(EDITIONS)
    random.Random(4).shuffle(shuffled)
    return HeldTables(shuffled)


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_the_contract(check: Callable[[Tables], None], tables: Tables) -> None:
    """Each question is answered as the contract says."""
    check(tables)


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_the_contract_can_be_broken(check: Callable[[Tables], None]) -> None:
    """No check passes over tables that hold nothing."""
    with pytest.raises(AssertionError):
        check(HeldTables(()))


def test_nothing_loaded() -> None:
    """Nothing is answered by nothing."""
    check_nothing_loaded(HeldTables(()))


def test_nothing_loaded_can_be_broken(tables: Tables) -> None:
    """The check sees that something is held."""
    with pytest.raises(AssertionError):
        check_nothing_loaded(tables)


def test_an_edition_given_twice_is_one() -> None:
    """The digest names it."""
    once, twice = HeldTables(EDITIONS), HeldTables([*EDITIONS, *EDITIONS])
    assert twice.editions == once.editions
    assert twice.digest == once.digest
    assert len(twice.pairs(["Y0001", "Y0002"], NEW, "practitioner")) == 2


def test_outdated_is_what_is_asked_past_its_quarter() -> None:
    """On its last day it is not; one without a last day never is."""
    quarterly = Edition(TableKind.MUE, "dme", "2026-07-01", OLD, date(2026, 9, 30), "a", 1)
    lasting = Edition(TableKind.FEES, "", "2026-07-01", OLD, None, "b", 1)
    assert [outdated(quarterly, day) for day in (OLD, date(2026, 9, 30), NEW)] == [False, False, True]
    assert not outdated(lasting, date(2099, 1, 1))


def test_who_answers_does_not_depend_on_the_order() -> None:
    """Editions may be listed in any order."""
    editions = [edition for edition, _ in EDITIONS]
    for kind in TableKind:
        for scope in {edition.scope for edition in editions}:
            assert answering(editions, kind, NEW, scope) == answering(reversed(editions), kind, NEW, scope)
