"""Mappings and settings that somebody wants tried, as texts: nobody has written them to a disk, and they are in force nowhere."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class DraftFile:
    """A file of the mappings."""

    name: str
    """Its path inside the folder, as `edits/course-limits.toml`."""
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be tried. What it does not say is as it is in force."""

    files: tuple[DraftFile, ...] = ()
    """A folder of overlays."""
    instead: bool = False
    """The folder takes the place of all overlays in force; otherwise it lies over them."""
    site: str = field(default="", repr=False)
    """Another site file, empty for the one in force."""
    fees: str = field(default="", repr=False)
    """Another fee table, empty for the one in force."""

    @property
    def says_nothing(self) -> bool:
        """Whether all is as it is in force."""
        return not (self.files or self.instead or self.site or self.fees)
