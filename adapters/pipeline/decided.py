"""Which of a record's answers count: they decide something about money, and stand."""

from __future__ import annotations

from adapters.context import PersonContexts
from adapters.model.record import PersonRecord
from adapters.model.remittance import Remittance
from adapters.posting import gone, only_pends


def deciding(record: PersonRecord, contexts: PersonContexts) -> tuple[Remittance, ...]:
    """The answers of the record that decide something and stand: none that only pends, none that was taken back."""
    payers = {c.claim.id: c.claim.payer.id for c in record.claims}
    taken_back = gone(record.remittances)
    found: list[Remittance] = []
    for answer in record.remittances:
        payer = contexts.site.payer(answer.payer or payers.get(answer.claim, ""))
        readings = (payer.id, payer.kind) if payer is not None else ()
        if not answer.reversal and answer.id not in taken_back and not only_pends(answer, contexts.rules, *readings):
            found.append(answer)
    return tuple(found)
