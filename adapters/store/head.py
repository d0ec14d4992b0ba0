"""The head file: what the last seal said, kept outside the database, so that a cut-off journal is seen.

One JSON object, written whole or not at all: a new file is synced, then put in the place of the old one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from adapters.errors import StoreDown
from adapters.store.refusals import Damaged


@dataclass(frozen=True, slots=True)
class Head:
    """The last seal: its number, the last journal number in it, its digest and signature."""

    number: int
    last: int
    digest: str
    key_id: str
    signature: bytes


_DECODER: Final = msgspec.json.Decoder(Head)


class HeadFile:
    """A head on disk."""

    __slots__ = ("path",)

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Head | None:
        """What it says, None where there is none; raises `Damaged` for one that cannot be read."""
        try:
            return _DECODER.decode(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Damaged(f"head: the head file cannot be read ({type(error).__name__})") from None

    def write(self, head: Head) -> None:
        """Put the head in the place of the old one, synced; raises `StoreDown` where that cannot be done."""
        try:
            write_whole(self.path, msgspec.json.encode(head) + b"\n")
        except OSError as error:
            raise StoreDown(f"the head file cannot be written ({type(error).__name__})") from error


def write_whole(path: Path, data: bytes) -> None:
    """Write a file of mode 0600 so that after a crash the old or the new one is there, whole."""
    part = path.with_name(path.name + ".part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable; a system that cannot open folders does so by itself."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
