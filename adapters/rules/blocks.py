"""Kind "blocks": services counted by fractions, one unit a block (radiation-oncology.md 5.1, 5.4, 5.5).

Full blocks are due as soon as they are full. What is left over earns a unit only when the course is closed and at
least `tail_min` fractions are left (0: never). A closed course shorter than one block goes by `short`: the first
entry with `upto` at or above its count decides alone, also when it says that nothing is due.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from adapters.model.why import RuleRef
from adapters.rules.answers import Block, BlockPlan, Nothing
from adapters.rules.conditions import Test
from adapters.rules.decision import tests_of
from adapters.rules.locate import Path
from adapters.rules.sheet import Sheet

_SHORT: Final = frozenset({"upto", "code", "when"})
_WHOLE: Final = re.compile(r"[0-9]{1,3}")
Ask = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Short:
    """What a closed course of at most `upto` fractions earns, if its tests hold; else nothing."""

    upto: int
    code: str
    tests: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class BlocksBody:
    """One version of a counting rule."""

    size: int
    code: str
    tail_min: int | str
    """A number, or the name of the option that says it."""
    short: tuple[Short, ...]

    def plan(self, ref: RuleRef, overdue: bool, n: int, closed: bool, option: Ask) -> BlockPlan | Nothing:
        """The units of n fractions. `option` gives the value of an option, empty when nobody has set it."""
        used: list[str] = []
        if closed and n > 0:
            for entry in self.short:
                if n <= entry.upto:
                    used += [name for name, _ in entry.tests]
                    holds = all(option(name.removeprefix("option.")) in taken for name, taken in entry.tests)
                    one = (Block(1, 1, n, entry.code, partial=True),) if holds else ()
                    return BlockPlan(one, ref, overdue, tuple(used))
        full, left = divmod(max(n, 0), self.size)
        blocks = [Block(i + 1, i * self.size + 1, (i + 1) * self.size, self.code) for i in range(full)]
        if closed and left:
            least = self.tail_min
            if isinstance(least, str):
                used.append(f"option.{least}")
                said = option(least)
                if not _WHOLE.fullmatch(said):
                    return Nothing("option-missing", least, ref, tuple(used))
                least = int(said)
            if 0 < least <= left:
                blocks.append(Block(full + 1, full * self.size + 1, n, self.code, partial=True))
        return BlockPlan(tuple(blocks), ref, overdue, tuple(used))


def read_blocks(sheet: Sheet, path: Path, table: Mapping[str, object]) -> BlocksBody | None:
    """The counting rule of a version; faults are noted on the sheet."""
    size = sheet.whole(table, path, "size", 1)
    code = sheet.text(table, path, "code")
    if code:
        sheet.refer("code", code, (*path, "code"))
    tail_min = _tail_min(sheet, path, table)
    short: list[Short] = []
    for at, item in sheet.tables(table, path, "short"):
        sheet.only(item, at, _SHORT)
        upto = sheet.whole(item, at, "upto", 1)
        other = sheet.text(item, at, "code")
        if other:
            sheet.refer("code", other, (*at, "code"))
        if upto is not None and size is not None and upto >= size:
            sheet.fault(at, "a short course is shorter than one block")
        if upto is not None and short and upto <= short[-1].upto:
            sheet.fault(at, "short courses go by rising upto")
        when = sheet.inner(item, at, "when", required=False) or {}
        short.append(Short(upto or 0, other, tests_of(sheet, (*at, "when"), when, frozenset())))
    if size is None or tail_min is None or not code:
        return None
    return BlocksBody(size, code, tail_min, tuple(short))


def _tail_min(sheet: Sheet, path: Path, table: Mapping[str, object]) -> int | str | None:
    value = table.get("tail_min")
    if isinstance(value, str):
        if not value.startswith("=option:"):
            sheet.fault((*path, "tail_min"), "tail_min is a number or =option:NAME")
            return None
        name = value.removeprefix("=option:")
        sheet.refer("option", name, (*path, "tail_min"))
        return name
    return sheet.whole(table, path, "tail_min", 0)
