"""The patient's account as a record has it now: for statements, letters and whoever asks."""

from __future__ import annotations

from adapters.charges import assemble
from adapters.context import PersonContexts
from adapters.model.record import PersonRecord
from adapters.pipeline.accounts import account
from adapters.pipeline.stated import effective
from adapters.pipeline.step import House, person_contexts
from adapters.posting.patient import PatientAccount
from adapters.work import standing


def contexts_of(record: PersonRecord, house: House) -> PersonContexts:
    """What holds for the person on each day, as persons leave what feeds said."""
    return person_contexts(assemble(record.person, effective(record.events, standing(record.events))), house)


def account_now(record: PersonRecord, house: House) -> PatientAccount:
    """What is left to the patient, what was paid, and which claims some payer has not decided."""
    return account(record, contexts_of(record, house))
