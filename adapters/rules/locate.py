"""Where in the text of a TOML file a key or table stands: tomllib tells values, but no lines.

The walk knows just enough TOML to follow table headers and keys: strings and comments are blanked first, and lines
inside a value that runs over several lines are passed over. What stands inside such a value is located at its key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

Path = tuple[str | int, ...]
"""The way to a value: table names, keys, and positions in arrays of tables, e.g. `("versions", 0, "cite")`."""

_STRING: Final = re.compile(r'"""|\'\'\'|"(?:\\.|[^"\\])*"|\'[^\']*\'|#.*')
_HEADER: Final = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY: Final = re.compile(
    r"""\s*((?:"[^"]*"|'[^']*'|[A-Za-z0-9_\-]+)(?:\s*\.\s*(?:"[^"]*"|'[^']*'|[A-Za-z0-9_\-]+))*)\s*="""
)
_PART: Final = re.compile(r"""\s*("[^"]*"|'[^']*'|[^."'\s]+)\s*\.?""")


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(name))


def _blank(line: str) -> tuple[str, str]:
    """The line without its strings and comment, and the mark of a multi-line string that it leaves open."""
    opened = ""
    kept: list[str] = []
    at = 0
    while found := _STRING.search(line, at):
        kept.append(line[at : found.start()])
        if found.group() in {'"""', "'''"}:
            end = line.find(found.group(), found.end())
            if end < 0:
                opened = found.group()
                at = len(line)
                break
            at = end + 3
        else:
            at = found.end()
    kept.append(line[at:])
    return "".join(kept), opened


def lines_of(text: str) -> Mapping[Path, int]:
    """The 1-based line of every table header and key of the text."""
    found: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    depth, opened = 0, ""
    for number, line in enumerate(text.splitlines(), start=1):
        if opened:
            if opened in line:
                opened = ""
            continue
        plain, opened = _blank(line)
        if depth == 0:
            if header := _HEADER.match(line):
                table = _table(_parts(header.group(2)), header.group(1) == "[[", counts)
                found.setdefault(table, number)
                continue
            if key := _KEY.match(line):
                found.setdefault((*table, *_parts(key.group(1))), number)
        depth = max(0, depth + sum(plain.count(c) for c in "[{") - sum(plain.count(c) for c in "]}"))
    return found


def _table(names: tuple[str, ...], array: bool, counts: dict[Path, int]) -> Path:
    """The path of a header: names on the way that are arrays of tables stand for their latest element."""
    path: Path = ()
    for position, name in enumerate(names):
        path = (*path, name)
        last = position == len(names) - 1
        if last and array:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path


def line_at(lines: Mapping[Path, int], path: Path) -> int:
    """The line of the path, or of the nearest thing around it; 1 when nothing of it is known."""
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return 1
