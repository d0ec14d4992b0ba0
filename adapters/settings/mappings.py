"""The mappings on disk, handed to `adapters.rules` as path and bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from adapters.errors import BadSetup
from adapters.rules import Problem, Ruleset, load


def _walk(folder: Traversable, prefix: str = "") -> Iterable[tuple[str, bytes]]:
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        path = f"{prefix}{entry.name}"
        if entry.is_dir():
            yield from _walk(entry, f"{path}/")
        elif entry.name.endswith((".toml", ".csv")):
            yield path, entry.read_bytes()


def rules_of(overlays: Sequence[Path] = ()) -> Ruleset:
    """The mappings of this package under the overlays, loaded whole; raises `BadSetup` with every problem."""
    base, *layers = layers_of(overlays)
    loaded = load(base, layers)
    if isinstance(loaded, Ruleset):
        return loaded
    raise BadSetup(tuple(told(problem, overlays) for problem in loaded))


def layers_of(overlays: Sequence[Path] = ()) -> list[dict[str, bytes]]:
    """The files of the mappings of this package, and those of each overlay; raises `BadSetup` where one is no folder."""
    missing = tuple(f"{overlay}: no such folder of mappings" for overlay in overlays if not overlay.is_dir())
    if missing:
        raise BadSetup(missing)
    return [dict(_walk(resources.files("mappings"))), *(dict(_walk(overlay)) for overlay in overlays)]


def told(problem: Problem, overlays: Sequence[Path] = ()) -> str:
    """A problem of the mappings as `file:line: words`, the file of the n-th overlay (`overlay-n/…`) by its own path."""
    first, _, rest = problem.file.partition("/")
    number = first.removeprefix("overlay-")
    known = first != number and number.isdecimal() and 0 < int(number) <= len(overlays)
    file = str(overlays[int(number) - 1] / rest) if known else problem.file
    return f"{file}:{problem.line}: {problem.message}"
