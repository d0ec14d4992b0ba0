"""A table of a TOML file that is taken key by key, so that a wrong or unknown key is told and none is passed over."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from adapters.rules.locate import Path, line_at, lines_of
from adapters.rules.location import Location, location
from adapters.rules.problem import Problem


class Faults:
    """What is wrong with one file, gathered with the lines where it stands (line 1 where no text is at hand)."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.lines = lines_of(text)
        self.found: list[Problem] = []

    def add(self, path: Path, message: str) -> None:
        """Tell a fault of what stands at the path."""
        table = ".".join(str(part) for part in path[:-1])
        where = f"[{table}] " if table else ""
        self.found.append(Problem(self.file, line_at(self.lines, path), where + message))


class Table:
    """One table. Each taking method removes its key, tells a fault of it, and then gives the default."""

    def __init__(self, told: Faults, path: Path, data: Mapping[str, object]) -> None:
        self.told = told
        self.path = path
        self.left = dict(data)

    def problem(self, key: str, message: str) -> None:
        """Tell a fault of one key, or of the table itself where the key is empty."""
        self.told.add((*self.path, key) if key else self.path, message)

    def text(self, key: str, default: str = "", *, required: bool = False) -> str:
        """One text."""
        value = self.left.pop(key, None)
        if value is None:
            if required:
                self.problem("", f"{key} is missing")
            return default
        if not isinstance(value, str) or (required and not value.strip()):
            self.problem(key, f"{key} must be text")
            return default
        return value

    def flag(self, key: str) -> bool:
        """True or false, false where it is not said."""
        value = self.left.pop(key, False)
        if not isinstance(value, bool):
            self.problem(key, f"{key} must be true or false")
            return False
        return value

    def texts(self, key: str, default: Collection[str] = ()) -> tuple[str, ...]:
        """A list of texts, or one text for a list of one."""
        value = self.left.pop(key, None)
        if value is None:
            return tuple(default)
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(isinstance(item, str) and item for item in listed):
            self.problem(key, f"{key} must be a list of texts")
            return tuple(default)
        return tuple(listed)

    def one_of(self, key: str, default: str, allowed: Sequence[str], *, required: bool = False) -> str:
        """A text that is one of these words."""
        said = self.text(key, default, required=required)
        if said not in allowed and (said or not required):  # where it is required, that it is missing is told
            self.problem(key, f"{key}: {said!r} is none of {', '.join(allowed)}")
        return said

    def words(self, key: str, default: Collection[str] = (), allowed: Collection[str] = ()) -> tuple[str, ...]:
        """A list of texts out of `allowed` (empty: any); others are told and left out."""
        found = self.texts(key, default)
        if not allowed:
            return found
        for word in found:
            if word not in allowed:
                self.problem(key, f"{key}: {word!r} is none of {', '.join(sorted(allowed))}")
        return tuple(word for word in found if word in allowed)

    def locations(self, key: str, default: tuple[Location, ...] = ()) -> tuple[Location, ...]:
        """One or more places in a message."""
        if key not in self.left:
            return default
        found = []
        for text in self.texts(key):
            at = location(text)
            if at is None:
                self.problem(key, f"{key}: not a place in a message: {text!r}")
            else:
                found.append(at)
        return tuple(found)

    def location(self, key: str, default: Location) -> Location:
        """Exactly one place in a message."""
        found = self.locations(key, (default,))
        if len(found) > 1:
            self.problem(key, f"{key} must be one place")
        return found[0] if found else default

    def mapping(self, key: str) -> dict[str, str]:
        """A table of texts."""
        value = self.left.pop(key, {})
        if not isinstance(value, Mapping) or not all(isinstance(item, str) for item in value.values()):
            self.problem(key, f"{key} must be a table of texts")
            return {}
        return {str(name): str(item) for name, item in value.items()}

    def tables(self, key: str) -> Iterator[tuple[str, Table]]:
        """The tables inside a table, by name."""
        value = self.left.pop(key, {})
        if not isinstance(value, Mapping):
            self.problem(key, f"{key} must be a table")
            return
        for name, inner in value.items():
            path = (*self.path, key, str(name))
            if isinstance(inner, Mapping):
                yield str(name), Table(self.told, path, inner)
            else:
                self.told.add(path, f"{name} must be a table")

    def done(self) -> None:
        """Tell every key that nobody took."""
        for key in self.left:
            self.problem(key, f"unknown key {key!r}")
