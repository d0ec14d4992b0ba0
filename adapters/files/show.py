"""What the listings print: one JSON object a line by the contract's keys, or a table for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Literal

from rich.console import Console
from rich.table import Table

from adapters.explain import Explanation, hold_id
from adapters.model import money
from adapters.model.charge import Hold
from adapters.model.claim import ClaimOnFile
from adapters.model.codes import system_of
from adapters.model.ledger import Account, Entry
from adapters.model.question import Question
from adapters.model.record import ChargeOnFile, PersonRecord
from adapters.model.why import Why
from adapters.model.work import WorkItem

Row = Mapping[str, object]
_UUID: Final = 36
"""Characters of an id of ours."""


def console() -> Console:
    """A console on standard output as it is now; wide when it is not a terminal, so that pipes get whole lines."""
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else 160, highlight=False, soft_wrap=False)


def _text(value: object) -> object:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def json_lines(rows: Iterable[Row]) -> None:
    """Print one JSON object a line."""
    for row in rows:
        sys.stdout.write(json.dumps(row, default=_text, ensure_ascii=False) + "\n")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], right: Iterable[str] = ()) -> None:
    """Print a table; columns named in `right` hold figures."""
    sheet = Table(title=title, title_justify="left", header_style="bold")
    figures = set(right)
    texts = [[str(cell) for cell in row] for row in rows]
    for number, column in enumerate(columns):
        side: Literal["left", "right"] = "right" if column in figures else "left"
        # An id is copied into the next command: one of ours is never broken over two lines.
        whole = column == "id" and all(len(row[number]) <= _UUID for row in texts)
        sheet.add_column(column, justify=side, overflow="fold", no_wrap=whole)
    for row in texts:
        sheet.add_row(*row)
    console().print(sheet)


def patient(record: PersonRecord) -> str:
    """The identifier by which people know the person, else the lane."""
    return min((identifier.value for identifier in record.goes_by), default=record.person)


def _sources(why: Why) -> list[dict[str, str]]:
    pairs = dict.fromkeys((fact.source.message, fact.source.at) for fact in why.facts)
    return [{"message": message, "at": at} for message, at in pairs if message not in ("rules", "site")]


def _rule(why: Why) -> dict[str, str]:
    rule = why.rule
    return {"id": rule.id, "since": rule.since.isoformat(), "digest": rule.digest, "cite": rule.cite}


def _hold(hold: Hold) -> dict[str, object]:
    would = hold.would
    amount = money.text(would.amount) if would and would.price is not None else None
    return {
        "code": hold.code,
        "release": hold.release.value,
        "about": hold.about,
        "detail": hold.detail,
        "would": {"code": would.code, "units": str(would.units), "amount": amount} if would else None,
    }


def charge_row(record: PersonRecord, on_file: ChargeOnFile) -> Row:
    """A charge as the contract prints it."""
    charge = on_file.charge
    holds = [h for h in record.holds if h.slot == charge.slot]
    return {
        "id": on_file.id,
        "patient": patient(record),
        "episode": charge.slot.episode,
        "slot": {"service": charge.slot.service, "key": charge.slot.key, "part": charge.slot.part},
        "code": charge.code,
        "system": system_of(charge.code),
        "modifiers": list(charge.modifiers),
        "units": str(charge.units),
        "service_start": charge.start,
        "service_end": charge.end,
        "component": charge.component.value,
        "entity": charge.entity,
        "diagnoses": list(charge.diagnoses),
        "ndc": charge.ndc or None,
        "ndc_quantity": None if charge.ndc_quantity is None else f"{charge.ndc_quantity:f}",
        "ndc_unit": charge.ndc_unit or None,
        "price": charge.price,
        "status": on_file.status.value,
        "holds": [_hold(hold) for hold in holds],
        "rule": _rule(charge.why),
        "sources": _sources(charge.why),
    }


def held_row(record: PersonRecord, hold: Hold) -> Row:
    """A slot that has a hold, with what it would bill."""
    would = hold.would
    return {
        "id": hold_id(hold),
        "patient": patient(record),
        "episode": hold.slot.episode,
        "slot": {"service": hold.slot.service, "key": hold.slot.key, "part": hold.slot.part},
        "code": would.code if would else None,
        "system": system_of(would.code) if would else None,
        "modifiers": list(would.modifiers) if would else [],
        "units": str(would.units) if would else None,
        "service_start": would.start if would else None,
        "service_end": would.end if would else None,
        "component": would.component.value if would else None,
        "entity": would.entity if would else None,
        "diagnoses": list(would.diagnoses) if would else [],
        "ndc": would.ndc or None if would else None,
        "ndc_quantity": f"{would.ndc_quantity:f}" if would and would.ndc_quantity is not None else None,
        "ndc_unit": would.ndc_unit or None if would else None,
        "price": would.price if would else None,
        "status": "held",
        "holds": [_hold(hold)],
        "rule": _rule(hold.why),
        "sources": _sources(hold.why),
    }


def claim_row(record: PersonRecord, on_file: ClaimOnFile) -> Row:
    """A claim as the contract prints it."""
    claim = on_file.claim
    return {
        "id": claim.id,
        "type": claim.type.value,
        "use": "claim",
        "payer": claim.payer.id,
        "patient": patient(record),
        "entity": claim.entity.id,
        "frequency": claim.frequency,
        "replaces": claim.replaces or None,
        "payer_claim_number": on_file.payer_claim_number or None,
        "state": on_file.printed_state,
        "lines": [
            {
                "line": line.line,
                "charge_ids": list(line.charges),
                "code": line.code,
                "modifiers": list(line.modifiers),
                "units": str(line.units),
                "date": line.start,
                "charge": money.text(line.amount),
            }
            for line in claim.lines
        ],
        "total": money.text(claim.total),
        "submitted_at": on_file.submitted_at or None,
        "deadline": on_file.deadline,
    }


def entry_row(entry: Entry) -> Row:
    """A ledger entry as the contract prints it."""
    kind, _, id = entry.cause.partition(":")
    return {
        "id": entry.id,
        "at": entry.at,
        "cause": {kind: id},
        "reverses": entry.reverses or None,
        "lines": [
            {"account": x.account.value, "amount": money.text(x.amount), "claim": x.claim, "line": x.line}
            for x in entry.lines
        ],
    }


def work_row(item: WorkItem) -> Row:
    """A work item as the contract prints it."""
    return {
        "id": item.id,
        "kind": item.kind,
        "code": item.code,
        "about": item.about,
        "category": item.category,
        "action": item.action,
        "due": item.due,
        "amount": money.text(item.amount),
        "opened": item.opened,
        "assigned": item.assigned or None,
        "detail": item.detail,
    }


def balance_table(balance: Mapping[Account, int]) -> None:
    """The trial balance; the last line is the sum, which is zero or something is badly wrong."""
    rows = [(account.value, money.text(balance.get(account, 0))) for account in Account if balance.get(account, 0)]
    total = sum(balance.values())
    table("Trial balance", ("account", "balance $"), [*rows, ("sum", money.text(total))], right=("balance $",))


def explanation(found: Explanation) -> None:
    """Print an explanation as an indented tree, each sentence with its source."""
    for depth, says, source in found.lines():
        indent = "  " * depth + ("- " if depth else "")
        sys.stdout.write(f"{indent}{says}" + (f"   [{source}]" if source else "") + "\n")


def question_row(question: Question) -> Row:
    """What the clinic was asked, as JSON values."""
    return {
        "feed": question.feed,
        "stage": question.stage.value,
        "by": question.by.value,
        "id": question.id,
        "task": question.task or None,
        "focus": question.focus,
        "asked": question.asked,
        "due": question.due,
        "reminded": question.reminded,
        "clinic": question.clinic or None,
        "problem": question.problem or None,
        "reply": question.reply or None,
        "closed": question.closed,
        "why": question.why or None,
        "answer": question.answer or None,
        "told": question.told,
    }


def explanation_row(found: Explanation) -> Row:
    """An explanation as JSON."""
    return {"says": found.says, "source": found.source or None, "parts": [explanation_row(p) for p in found.parts]}
