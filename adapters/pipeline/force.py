"""What is in force, as the journal says it: entries of the kinds RULES and SITE, written and read.

An entry of kind RULES says by which rules and which editions of tables everything after it is stepped, who put that in
force, and whether every lane has been stepped under it since. One of kind SITE says the digest of the site file. Both
are written in one channel under fixed words, so that the last of each is found by an index.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from adapters.model.journal import JournalEntry, JournalKind
from adapters.ports import Receipt
from adapters.tables import digest_of_set

CHANNEL: Final = "house"
"""The channel of all entries about what is in force."""
PROGRAM: Final = "program"
"""Who changed what is in force where nobody decided it: another version of the program, an edited file."""


class Turn(StrEnum):
    """Why an entry of kind RULES was written."""

    PROGRAM = "program"
    """The rules of the program or of its overlays are others than before; the editions stay."""
    ACTIVATED = "activated"
    """Editions were put in force."""
    DEACTIVATED = "deactivated"
    """Editions were taken out of force."""
    APPLIED = "applied"
    """Every lane on file has been stepped under the editions that the entry before put in force."""


@dataclass(frozen=True, slots=True)
class InForce:
    """What is in force from an entry of kind RULES on."""

    rules: str
    """Digest of the rules."""
    editions: tuple[str, ...]
    """Digests of the editions, sorted."""
    turn: Turn
    about: tuple[str, ...]
    """The editions that came or went with it; of those that came, and of those that went by themselves."""
    by: str
    why: str
    at: datetime
    applied: bool
    """Whether every lane on file has been stepped under these editions."""
    entry: str = ""
    """Id of the entry that says it; empty where none says it yet."""

    @property
    def tables(self) -> str:
        """The digest of the set of editions; empty where there is none."""
        return digest_of_set(self.editions)


NOTHING: Final = InForce("", (), Turn.PROGRAM, (), "", "", datetime.min.replace(tzinfo=UTC), applied=True)
"""Before the first entry."""


def switched(
    before: InForce, turn: Turn, *, rules: str, editions: Iterable[str], by: str, why: str, at: datetime
) -> InForce:
    """What is in force after a change: with other editions every lane has to be stepped, with the same ones it stays."""
    after = tuple(sorted(set(editions)))
    about = tuple(sorted(set(after) ^ set(before.editions)))
    return InForce(rules, after, turn, about, by, why, at, before.applied and not about)


def receipt_of(force: InForce, before: str) -> Receipt:
    """The entry of kind RULES that follows the one with the id `before` (empty: it is the first)."""
    said = {
        # Without it going back to what was in force would be the same bytes, which the journal knows already.
        "before": before,
        "rules": force.rules,
        "editions": list(force.editions),
        "turn": force.turn.value,
        "about": list(force.about),
        "by": force.by,
        "why": force.why,
        "at": force.at.isoformat(),
        "applied": force.applied,
    }
    actor = PROGRAM if force.by == PROGRAM else f"person:{force.by}"
    return _receipt(JournalKind.RULES, actor, said, force.at)


def site_receipt_of(digest: str, at: datetime, before: str) -> Receipt:
    """The entry of kind SITE: a site file of this digest is in force from now on."""
    return _receipt(JournalKind.SITE, PROGRAM, {"before": before, "site": digest, "at": at.isoformat()}, at)


def _receipt(kind: JournalKind, actor: str, said: Mapping[str, object], at: datetime) -> Receipt:
    return Receipt.of_ours(kind, CHANNEL, said, at, actor=actor, control=kind.value)


def in_force(entry: JournalEntry | None) -> InForce:
    """What an entry of kind RULES says; `NOTHING` before the first one."""
    if entry is None:
        return NOTHING
    said: dict[str, Any] = json.loads(entry.body)
    return InForce(
        rules=said["rules"],
        editions=tuple(said["editions"]),
        turn=Turn(said["turn"]),
        about=tuple(said["about"]),
        by=said["by"],
        why=said["why"],
        at=datetime.fromisoformat(said["at"]),
        applied=said["applied"],
        entry=entry.id,
    )


def site_in_force(entry: JournalEntry | None) -> str:
    """The digest of the site file that an entry of kind SITE says; empty before the first one."""
    return "" if entry is None else str(json.loads(entry.body)["site"])


def since(history: Iterable[InForce]) -> dict[str, InForce]:
    """Of each edition in force after all this: the change that put it in force last."""
    found: dict[str, InForce] = {}
    for force in history:
        for digest in tuple(found):
            if digest not in force.editions:
                del found[digest]
        for digest in force.editions:
            found.setdefault(digest, force)
    return found


def ever(history: Iterable[InForce]) -> frozenset[str]:
    """Every edition that was ever in force."""
    return frozenset(digest for force in history for digest in force.editions)


def applied(force: InForce, at: datetime) -> InForce:
    """The same, once every lane has been stepped under it."""
    return replace(force, turn=Turn.APPLIED, about=(), by=PROGRAM, why="", at=at, applied=True, entry="")
