"""Files for the readers, written down in a test, and what became of them."""

from __future__ import annotations

from datetime import date
from io import BytesIO

from adapters.model.tables import Row, TableKind
from adapters.tables import Heading, Problem, Reading, SourceFile, read_table


def file(name: str, body: str | bytes) -> SourceFile:
    """A file by its text (UTF-8) or bytes, cut into lines as a binary file gives them."""
    return SourceFile(name, BytesIO(body.encode() if isinstance(body, str) else body))


def reading(
    kind: TableKind, *files: SourceFile, scope: str = "", release: str = "", start: date | None = None
) -> Reading:
    """A reading that begins."""
    found = read_table(kind, files, scope=scope, release=release, start=start)
    assert isinstance(found, Reading), [str(problem) for problem in found]
    return found


def rows_of(
    kind: TableKind, *files: SourceFile, scope: str = "", release: str = "", start: date | None = None
) -> list[Row]:
    """The rows of files without a problem."""
    found = reading(kind, *files, scope=scope, release=release, start=start)
    rows = list(found)
    assert [str(problem) for problem in found.problems] == []
    return rows


def problems_of(
    kind: TableKind, *files: SourceFile, scope: str = "", release: str = "", start: date | None = None
) -> list[tuple[int, str]]:
    """Line and message of every problem met in rows."""
    found = reading(kind, *files, scope=scope, release=release, start=start)
    list(found)
    assert found.more == 0
    return [(problem.line, problem.message) for problem in found.problems]


def refusal(
    kind: TableKind, *files: SourceFile, scope: str = "", release: str = "", start: date | None = None
) -> list[str]:
    """Why files cannot be understood at all."""
    found = read_table(kind, files, scope=scope, release=release, start=start)
    assert not isinstance(found, Reading)
    assert all(isinstance(problem, Problem) for problem in found)
    return [problem.message for problem in found]


def heading(kind: TableKind, *files: SourceFile) -> Heading:
    """What the files say they are."""
    return reading(kind, *files).heading
