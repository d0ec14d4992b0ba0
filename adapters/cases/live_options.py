"""What a case says of going live: from when on what is claimed, and what was billed elsewhere before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

from adapters.cases.document import CODE, DAY, TEXT, WHOLE, Fields, Items, Value, items, text, texts, tree
from adapters.model.live import Live
from adapters.model.people import Identifier
from adapters.model.tables import OpeningRow

if TYPE_CHECKING:
    from adapters.cases.options import Settled

DAYS: Final = Fields(
    {"service": TEXT, "payer": TEXT, "entity": TEXT, "shadow_from": DAY, "live_from": DAY}, frozenset()
)
OPENING: Final = Fields(
    {
        "service": TEXT,
        "code": CODE,
        "modifiers": Items(TEXT),
        "units": WHOLE,
        "date": DAY,
        "claim": TEXT,
        "course": TEXT,
        "number": TEXT,
    },
    frozenset({"service", "code", "date"}),
)


@dataclass(frozen=True, slots=True)
class OpeningLine:
    """A line billed elsewhere, before it is known whose it is."""

    service: str
    code: str
    modifiers: tuple[str, ...]
    units: int
    day: date
    claim: str
    course: str
    number: str

    def row(self, person: Identifier) -> OpeningRow:
        """The line as the table of what was billed before has it."""
        return OpeningRow(
            person.system,
            person.value,
            self.service,
            self.code,
            self.modifiers,
            self.units,
            self.day,
            "",
            self.claim,
            self.course,
            self.number,
        )


def live(value: Value, settled: Settled) -> None:
    """Rows of the site file's `live`."""
    for number, one in enumerate(items(value)):
        said = tree(one)
        shadow, claimed = text(said.get("shadow_from")), text(said.get("live_from"))
        settled.live.append(
            Live(
                text(said.get("entity")),
                text(said.get("payer")),
                text(said.get("service")),
                date.fromisoformat(shadow) if shadow else None,
                date.fromisoformat(claimed) if claimed else None,
                f"live.{number}",
            )
        )


def opening(value: Value, settled: Settled) -> None:
    """Lines of the table of what was billed elsewhere."""
    for one in items(value):
        said = tree(one)
        settled.opening.append(
            OpeningLine(
                text(said["service"]),
                text(said["code"]),
                tuple(texts(said.get("modifiers"))),
                int(text(said.get("units")) or "1"),
                date.fromisoformat(text(said["date"])),
                text(said.get("claim")),
                text(said.get("course")),
                text(said.get("number")),
            )
        )
