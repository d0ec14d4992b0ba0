"""Which of a record's answers count: they decide something about money, and stand."""

from __future__ import annotations

from adapters.context import PersonContexts
from adapters.model.record import PersonRecord
from adapters.model.remittance import Remittance
from adapters.posting import only_pends, reversed_by


def deciding(record: PersonRecord, contexts: PersonContexts) -> tuple[Remittance, ...]:
    """The answers of the record that decide something and stand: none that only pends, none that was taken back."""
    payers = {c.claim.id: c.claim.payer.id for c in record.claims}
    gone: set[str] = set()
    for nth, answer in enumerate(record.remittances):
        if answer.reversal and (taken := reversed_by(answer, record.remittances[:nth])) is not None:
            gone.add(taken.id)
    found: list[Remittance] = []
    for answer in record.remittances:
        payer = contexts.site.payer(answer.payer or payers.get(answer.claim, ""))
        readings = (payer.id, payer.kind) if payer is not None else ()
        if not answer.reversal and answer.id not in gone and not only_pends(answer, contexts.rules, *readings):
            found.append(answer)
    return tuple(found)
