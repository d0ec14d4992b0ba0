"""Things wanted and things got, paired by content."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from adapters.cases.document import Tree

_Wanted = TypeVar("_Wanted")
_Got = TypeVar("_Got")


def short(item: Mapping[str, object]) -> str:
    """An item on one line, without what is empty or long."""
    said = ((k, "+".join(map(str, v)) if isinstance(v, list) else v) for k, v in item.items())
    return " ".join(f"{k}={v}" for k, v in said if v not in ("", None) and k not in ("why", "lines", "cob"))


def matched(wants: Sequence[_Wanted], gots: Sequence[_Got], fits: Callable[[_Wanted, _Got], bool]) -> dict[int, int]:
    """The most pairs that fit, one to one: place of what is wanted → place of what was got (augmenting paths)."""
    held: dict[int, int] = {}
    choices = [[j for j, got in enumerate(gots) if fits(want, got)] for want in wants]

    def settle(i: int, tried: set[int]) -> bool:
        for j in choices[i]:
            if j not in tried:
                tried.add(j)
                if j not in held or settle(held[j], tried):
                    held[j] = i
                    return True
        return False

    for i in range(len(wants)):
        settle(i, set())
    return {i: j for j, i in held.items()}


def left_over(
    label: str,
    wants: Sequence[Tree],
    gots: Sequence[Tree],
    fits: Callable[[Tree, Tree], bool],
    complete: Callable[[Tree], bool] = lambda _: True,
) -> list[str]:
    """Sentences for what is wanted and not there, and for what is there and not wanted where the list is complete."""
    pairs = matched(wants, gots, fits)
    taken = set(pairs.values())
    found = [f"{label} missing: {short(want)}" for i, want in enumerate(wants) if i not in pairs]
    return found + [
        f"{label} not expected: {short(got)}" for j, got in enumerate(gots) if j not in taken and complete(got)
    ]
