"""What a disk can hold after a power cut: every instant of a recording, and at each what the system had not synced yet.

The model (POSIX, taken strictly; ext4, XFS and others keep more):
- what is written is lost or kept in pieces of 512 bytes, any of them, until the file is synced;
- a changed size (truncated, or extended past what was kept) may be there or not, until the file is synced;
- a name made, renamed or removed may be so or not, each by itself, until its folder is synced; a rename is whole;
- what is synced stays.

`told` is what the process promised by then: an acknowledgement that left, a call that was made.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final, TypeAlias

from tests.e2e.tracing import OTHERS, Call, text_of

SECTOR: Final = 512
"""Bytes that a disk writes whole or not at all."""


@dataclass(frozen=True, slots=True)
class Wrote:
    """Bytes at an offset; None: at the end."""

    path: str
    at: int | None
    data: bytes


@dataclass(frozen=True, slots=True)
class Sized:
    """The file has this size now."""

    path: str
    size: int


@dataclass(frozen=True, slots=True)
class Opened:
    """The file is there, new if it was not."""

    path: str


@dataclass(frozen=True, slots=True)
class Synced:
    """A file, or a folder, was synced."""

    path: str


@dataclass(frozen=True, slots=True)
class Removed:
    """A name was taken away."""

    path: str


@dataclass(frozen=True, slots=True)
class Renamed:
    """A file has another name, in the place of what had it."""

    path: str
    to: str


@dataclass(frozen=True, slots=True)
class Told:
    """Something was promised to somebody."""

    what: str


Event: TypeAlias = Wrote | Sized | Opened | Synced | Removed | Renamed | Told
Image: TypeAlias = dict[str, bytes]
"""Files by path, as they are found after the cut."""


def events(calls: Iterable[Call], folder: Path, told: Callable[[bytes], Sequence[str]]) -> Iterator[Event]:
    """The calls of a trace that concern this folder, as events; `told` says what the bytes sent to anybody promise.

    A promise counts from the instant at which the sending began, all else from when the call had ended. Raises
    ValueError for a call that changes the folder in a way that the model does not know.
    """
    ended = list(calls)
    sent = sorted((call for call in ended if call.name == "sendto"), key=lambda call: call.began)
    promises = [(call.began, Told(what)) for call in sent for what in told(call.texts[0])]
    for call in ended:
        while promises and promises[0][0] <= call.ended:
            yield promises.pop(0)[1]
        if call.result is not None and call.result >= 0:
            yield from _event(call, str(folder))
    for _, promise in promises:
        yield promise


def _event(call: Call, folder: str) -> Iterator[Event]:
    if call.name in ("rename", "unlink", *OTHERS):
        paths = [text.decode() for text in call.texts]
        if any(path.startswith(folder) for path in (*paths, call.file)):
            if call.name == "rename":
                yield Renamed(*paths)
            elif call.name == "unlink":
                yield Removed(*paths)
            else:
                raise ValueError(f"the model of a disk does not know {call.name}")
        return
    path = _opened(call) if call.name == "openat" else call.file
    if not path.startswith(folder) or path.endswith("-shm"):  # SQLite makes its index anew after a crash
        return
    if call.name == "openat":
        if "O_CREAT" in call.words:
            yield Opened(path)
        if "O_TRUNC" in call.words:
            yield Sized(path, 0)
    elif call.name in ("write", "pwrite64"):
        yield Wrote(path, call.last if call.name == "pwrite64" else None, call.texts[0][: call.result])
    elif call.name == "ftruncate":
        yield Sized(path, call.last)
    elif call.name in ("fsync", "fdatasync"):
        yield Synced(path)


def _opened(call: Call) -> str:
    name = call.texts[0].decode() if call.texts else ""
    return name if name.startswith("/") else str(PurePosixPath(text_of(call.file) or "/") / name)


@dataclass(slots=True, eq=False)
class _File:
    """What of a file is safe, what is not yet, and how long it is for those who read it now."""

    safe: bytearray = field(default_factory=bytearray)
    pending: list[Wrote | Sized] = field(default_factory=list)
    size: int = 0

    def change(self, change: Wrote | Sized) -> None:
        if isinstance(change, Wrote):
            at = self.size if change.at is None else change.at
            self.pending.append(Wrote(change.path, at, change.data))
            self.size = max(self.size, at + len(change.data))
        else:
            self.pending.append(change)
            self.size = change.size

    def sync(self) -> None:
        for change in self.pending:
            _apply(self.safe, change)
        self.pending.clear()

    def left(self, choose: Choice) -> bytes:
        """What a cut now leaves of it."""
        kept = bytearray(self.safe)
        for change in self.pending:
            if isinstance(change, Sized):
                if choose():
                    _apply(kept, change)
            elif choose.pieces:
                for n in range(0, len(change.data), SECTOR):
                    if choose():
                        _apply(kept, Wrote("", (change.at or 0) + n, change.data[n : n + SECTOR]))
            elif choose():
                _apply(kept, change)
        if len(kept) < self.size and choose():
            kept.extend(bytes(self.size - len(kept)))  # the size came to the disk, the last bytes did not
        return bytes(kept)


def _apply(content: bytearray, change: Wrote | Sized) -> None:
    if isinstance(change, Sized):
        if change.size < len(content):
            del content[change.size :]
        else:
            content.extend(bytes(change.size - len(content)))
        return
    at = change.at or 0
    if len(content) < at:
        content.extend(bytes(at - len(content)))
    content[at : at + len(change.data)] = change.data


@dataclass(frozen=True, slots=True)
class Choice:
    """Whether one more thing that was not synced is there: by chance, `likely` of 1; in pieces, or whole writes."""

    chance: random.Random
    likely: float
    pieces: bool

    def __call__(self) -> bool:
        return self.likely >= 1 or (self.likely > 0 and self.chance.random() < self.likely)


class Disk:
    """A folder on a disk, while a process changes it."""

    def __init__(self) -> None:
        self._now: dict[str, _File] = {}
        self._safe: dict[str, _File] = {}
        self._pending: list[tuple[str, dict[str, _File | None]]] = []
        """Changes of names that are not synced: the folder, and which name is whose then (None: nobody's)."""

    def do(self, event: Event) -> None:
        """One event further."""
        match event:
            case Wrote() | Sized():
                self._now[event.path].change(event)
            case Opened():
                if event.path not in self._now:
                    self._name(event.path, {event.path: _File()})
            case Removed():
                if event.path in self._now:
                    self._name(event.path, {event.path: None})
            case Renamed():
                self._name(event.to, {event.path: None, event.to: self._now[event.path]})
            case Synced():
                if event.path in self._now:
                    self._now[event.path].sync()
                else:
                    self._sync_folder(event.path)
            case Told():
                pass

    def _name(self, path: str, names: dict[str, _File | None]) -> None:
        self._pending.append((str(PurePosixPath(path).parent), names))
        _bind(self._now, names)

    def _sync_folder(self, folder: str) -> None:
        for at, names in self._pending:
            if at == folder:
                _bind(self._safe, names)
        self._pending = [one for one in self._pending if one[0] != folder]

    def left(self, choose: Choice) -> Image:
        """What a cut now leaves."""
        names = dict(self._safe)
        for _, change in self._pending:
            if choose():
                _bind(names, change)
        return {path: file.left(choose) for path, file in names.items()}


def _bind(names: dict[str, _File], change: Mapping[str, _File | None]) -> None:
    for path, file in change.items():
        if file is None:
            names.pop(path, None)
        else:
            names[path] = file


@dataclass(frozen=True, slots=True)
class State:
    """What is found after a cut behind the `after`-th event, and how much had been told by then."""

    after: int
    image: Image
    told: int
    digest: bytes
    """The same for the same files."""


def _digest(image: Image) -> bytes:
    said = hashlib.blake2b(digest_size=16)
    for path, content in sorted(image.items()):
        said.update(path.encode() + b"\0" + len(content).to_bytes(8, "big"))
        said.update(content)
    return said.digest()


def states(recorded: Sequence[Event], number: int, seed: int, share: tuple[int, int] = (0, 1)) -> Iterator[State]:
    """So many different states of the recording, no two of them alike in files and promises, from all of its length.

    Of what was not synced nothing is kept, or all, or mostly anything of it by chance. `share` (k, n): from every n-th
    event on the k-th only, for n workers. Fewer states when no more are found.
    """
    mine, shares = share
    wanted = number // shares + (mine < number % shares)
    places = max(1, len(recorded) // shares)
    seen: set[tuple[bytes, int]] = set()
    for turn in range(_TURNS):
        often = min(1.0, 1.1 * (wanted - len(seen)) / places)
        for state in _once(recorded, random.Random(seed * 1009 + turn), share, often):
            key = (state.digest, state.told)
            if key not in seen:
                seen.add(key)
                yield state
                if len(seen) >= wanted:
                    return


_TURNS: Final = 100
"""How often the recording is gone through, looking for states that were not seen yet."""
_LIKELY: Final = (0.0, 1.0, 0.1, 0.1, 0.5, 0.5, 0.5, 0.9, 0.9)


def _once(recorded: Sequence[Event], chance: random.Random, share: tuple[int, int], often: float) -> Iterator[State]:
    """One state each of so large a part of the events."""
    disk = Disk()
    told = 0
    for n, event in enumerate(recorded):
        disk.do(event)
        told += isinstance(event, Told)
        if n % share[1] == share[0] and chance.random() < often:
            choose = Choice(chance, chance.choice(_LIKELY), pieces=chance.random() < 0.7)
            image = disk.left(choose)
            yield State(n, image, told, _digest(image))
