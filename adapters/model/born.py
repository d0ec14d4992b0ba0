"""The birth of a frozen value of which a course makes hundreds: its `__init__` fills the fields as an open one's.

The `__init__` of a frozen dataclass puts every field by name through `object.__setattr__`, which was a tenth of deriving
a course. A constructor written by hand makes its object `open_` instead, of a twin of the class that is not frozen,
fills it, and gives it its own class before anybody else has seen it: a third of the time or less.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final


def twin(frozen: type) -> type:
    """A class with the slots of a frozen slotted dataclass, that refuses no change."""
    return type(f"Open{frozen.__name__}", frozen.__bases__, {"__slots__": vars(frozen)["__slots__"]})


open_: Final[Callable[[object, type], None]] = vars(object)["__class__"].__set__
"""Makes an object, while it is born, one of the twin of its class."""

Newborn = Any
"""An object while its `__init__` fills it."""
