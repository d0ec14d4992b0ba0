"""Values that fill their own fields at birth: as their dataclass says, and frozen as soon as they are born."""

from __future__ import annotations

import copy
import inspect
from dataclasses import MISSING, FrozenInstanceError, fields, replace
from typing import Any

import pytest

from adapters.model.born import open_, twin
from adapters.model.charge import Charge, Hold, Slot
from adapters.model.context import Context
from adapters.model.why import Why

BORN: tuple[Any, ...] = (Charge, Context, Hold, Slot, Why)


def made(cls: Any) -> tuple[Any, dict[str, object]]:
    """A value of the class, and what each of its fields was given: a text of its own."""
    given: dict[str, object] = {one.name: f"the {one.name}" for one in fields(cls)}
    return cls(**given), given


@pytest.mark.parametrize("cls", BORN)
def test_it_is_made_as_its_fields_say(cls: Any) -> None:
    told = [(one.name, inspect.Parameter.empty if one.default is MISSING else one.default) for one in fields(cls)]
    assert [(one.name, one.default) for one in inspect.signature(cls).parameters.values()] == told
    assert "__init__" in vars(cls)
    value, given = made(cls)
    assert type(value) is cls
    assert {one.name: getattr(value, one.name) for one in fields(cls)} == given
    assert cls(*given.values()) == value
    least = {name: text for name, text in given.items() if name in {n for n, d in told if d is inspect.Parameter.empty}}
    short = cls(**least)
    assert {name: getattr(short, name) for name, default in told if default is not inspect.Parameter.empty} == {
        name: default for name, default in told if default is not inspect.Parameter.empty
    }


@pytest.mark.parametrize("cls", BORN)
def test_it_is_frozen_and_copied_as_any_value(cls: Any) -> None:
    value, given = made(cls)
    first = next(iter(given))
    with pytest.raises(FrozenInstanceError):
        setattr(value, first, "another")
    with pytest.raises((AttributeError, TypeError)):
        value.no_such_field = 1
    assert copy.deepcopy(value) == value
    assert type(copy.copy(value)) is cls
    changed = replace(value, **{first: "another"})
    assert type(changed) is cls
    assert changed != value
    assert hash(cls(**given)) == hash(value)


def test_a_twin_is_open_and_of_the_same_slots() -> None:
    slot = Slot("e", "delivery", "1", "clinic:global")
    other: Any = Slot("e", "delivery", "2", "clinic:global")
    open_(other, twin(Slot))
    assert type(other) is not Slot
    other.key = "1"
    other.__class__ = Slot
    assert other == slot
