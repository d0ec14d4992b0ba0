"""What is wrong with a document, as a value: a stable code, where, and words that repeat nothing of the content."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault. `code` is stable for programs, `text` is for people, `at` is a FHIRPath-like place or empty."""

    code: str
    text: str
    at: str = ""

    def __str__(self) -> str:
        return f"{self.at}: {self.text}" if self.at else self.text


@dataclass(frozen=True, slots=True)
class Refused:
    """A body that cannot be read at all; every reason found, none of its values."""

    problems: tuple[Problem, ...]
