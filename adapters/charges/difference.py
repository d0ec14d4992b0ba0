"""What is due against what is on file: new, the same, changed, moved, gone. Running it twice changes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from adapters.model.charge import Charge, Slot
from adapters.model.record import ChargeOnFile, ChargeStatus


@dataclass(frozen=True, slots=True)
class Change:
    """A charge on file and the charge that is due in its place."""

    on_file: ChargeOnFile
    due: Charge

    @property
    def moved_only(self) -> bool:
        """Whether only the slot differs: the same bill, no claim is touched."""
        return replace(self.on_file.charge, slot=self.due.slot) == self.due


@dataclass(frozen=True, slots=True)
class Difference:
    """The result of setting due against on file."""

    new: tuple[Charge, ...] = ()
    same: tuple[Change, ...] = ()
    moved: tuple[Change, ...] = ()
    changed: tuple[Change, ...] = ()
    gone: tuple[ChargeOnFile, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing has to be done."""
        return not (self.new or self.moved or self.changed or self.gone)


def difference(on_file: Iterable[ChargeOnFile], due: Sequence[Charge]) -> Difference:
    """Pair one to one what is due with what is on file, the surest sign first; the rest is new or gone.

    The signs: one slot and a source event in common; an event in common; the same bill but for its slot (a session
    restated under another number); one slot (the session restated as such); one service, part and date. So neither a
    learned UID nor a new number nor an earlier session makes `gone` and `new` of what was billed before (design 6).
    """
    standing = {i: c for i, c in enumerate(on_file) if c.status is not ChargeStatus.VOID}
    unpaired = dict(enumerate(due))
    found: dict[int, Change] = {}
    for signs in (_slot_and_event, _event, _bill, _slot, _date):
        if not standing or not unpaired:
            break
        known: dict[Hashable, list[int]] = defaultdict(list)
        for i, filed in standing.items():
            for sign in signs(filed.charge):
                known[sign].append(i)
        for j, charge in list(unpaired.items()):
            match = next((i for sign in signs(charge) for i in known[sign] if i in standing), None)
            if match is not None:
                found[j] = Change(standing.pop(match), unpaired.pop(j))
    pairs = [found[j] for j in sorted(found)]
    same = tuple(p for p in pairs if p.on_file.charge == p.due)
    moved = tuple(p for p in pairs if p.on_file.charge != p.due and p.moved_only)
    changed = tuple(p for p in pairs if p.on_file.charge != p.due and not p.moved_only)
    return Difference(tuple(unpaired.values()), same, moved, changed, tuple(standing.values()))


def _events(charge: Charge) -> Iterator[tuple[str, str]]:
    """Where the events that a charge rests on were reported."""
    return iter(dict.fromkeys((f.source.message, f.source.at) for f in charge.why.facts if f.name == "event"))


def _slot_and_event(charge: Charge) -> Iterator[Hashable]:
    return ((charge.slot, event) for event in _events(charge))


def _event(charge: Charge) -> Iterator[Hashable]:
    return ((charge.slot.service, charge.slot.part, event) for event in _events(charge))


def _bill(charge: Charge) -> Iterator[Hashable]:
    yield replace(charge, slot=Slot("", charge.slot.service, "", charge.slot.part))


def _slot(charge: Charge) -> Iterator[Hashable]:
    yield charge.slot


def _date(charge: Charge) -> Iterator[Hashable]:
    yield (charge.slot.service, charge.slot.part, charge.start)
