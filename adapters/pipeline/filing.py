"""Charges as they are kept on file: what is due set against them, each under an id that outlasts its slot."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import Final

from adapters.charges import difference
from adapters.model.charge import Charge
from adapters.model.record import ChargeOnFile, ChargeStatus, PersonRecord

NAMESPACE: Final = uuid.UUID("3d8c1b52-0a5e-5a3f-8f0c-5f1f4f0c2b9a")


def charge_id(charge: Charge, number: int = 0) -> str:
    """Id of a charge from the slot it first had; a charge that moves keeps its id, who has its slot then is numbered."""
    slot = charge.slot
    name = f"{slot.episode}|{slot.service}|{slot.key}|{slot.part}"
    return str(uuid.uuid5(NAMESPACE, f"{name}|{number}" if number else name))


def on_file(record: PersonRecord, due: Sequence[Charge]) -> tuple[ChargeOnFile, ...]:
    """Charges on file after setting what is due against them. What was once sent keeps its price and diagnoses."""
    change = difference(record.charges, due)
    updated = {
        pair.on_file.id: replace(pair.on_file, charge=_pinned(pair.on_file, pair.due))
        for pair in (*change.same, *change.moved, *change.changed)
    }
    for gone in change.gone:
        updated[gone.id] = replace(gone, status=ChargeStatus.VOID)
    kept = [updated.get(c.id, c) for c in record.charges]
    taken = {c.id: i for i, c in enumerate(kept)}
    for charge in change.new:
        ids = (charge_id(charge, number) for number in count())
        id = next(id for id in ids if id not in taken or kept[taken[id]].status is ChargeStatus.VOID)
        if id in taken:  # it was void: due again under the same slot
            kept[taken[id]] = ChargeOnFile(id, charge)
        else:
            taken[id] = len(kept)
            kept.append(ChargeOnFile(id, charge))
    return tuple(kept)


def _pinned(on_file: ChargeOnFile, due: Charge) -> Charge:
    sent = on_file.status in (ChargeStatus.SENT, ChargeStatus.SETTLED)
    old = on_file.charge
    if not sent or (old.code, old.modifiers, old.entity) != (due.code, due.modifiers, due.entity):
        return due
    return replace(due, price=old.price, diagnoses=old.diagnoses)
