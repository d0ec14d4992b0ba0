"""One fault of a mapping file, as a value: the loader collects all of them before it says no."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """What is wrong in which file at which line (1-based; 0 where the fault is of the file as a whole)."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"
