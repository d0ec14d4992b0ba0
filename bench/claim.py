"""An outbound Claim of twelve lines: writing and checking it, beside fhir.resources doing both."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from _clinic import course, house, readings, stepped
from _common import Row, keep, machine, on_one_core, rates, spread, table, timed
from fhir.resources.R4B.claim import Claim as ClaimModel

from adapters.charges import assemble
from adapters.claims import FilingClock, Grouping, Patient, drafts
from adapters.context import demographics
from adapters.fhir import wire
from adapters.fhir.check import problems
from adapters.fhir.claim import document
from adapters.model.claim import Claim
from adapters.model.record import PersonRecord
from adapters.model.site import Payer
from adapters.pipeline import House
from adapters.pipeline.sending import document_of
from adapters.pipeline.step import person_contexts

LINES = 12
CREATED = datetime(2026, 3, 2, tzinfo=UTC)


def month() -> tuple[House, PersonRecord, datetime]:
    """A month's record of a person at a hospital whose payers want a claim a month, and an instant after it."""
    made = house()
    payers = tuple(replace(payer, cycle="month") for payer in made.site.payers)
    monthly = House.of(made.rules, replace(made.site, payers=payers))
    told = course(20)
    after = told[-1].at + timedelta(days=40)
    return monthly, stepped(readings(told, monthly), monthly, after), after


def drawing(monthly: House, record: PersonRecord, after: datetime) -> Callable[[], Grouping]:
    """The drawing up of all claims of the record anew, filing in time looked at line by line."""
    contexts = person_contexts(assemble(record.person, record.events), monthly)
    patient = Patient(record.person, "R-1", demographics(record.events))
    local = after.astimezone(ZoneInfo(monthly.site.zone))

    def drawn() -> Grouping:
        clock = FilingClock(monthly.rules, local)
        return drafts(patient, record.charges, record.holds, (), contexts.coverages, contexts, local.date(), clock)

    return drawn


def claim_of(lines: int) -> tuple[Claim, Payer]:
    """The first lines of a month's claim of the hospital, as the pipeline builds it."""
    monthly, record, _ = month()
    longest = max((c.claim for c in record.claims), key=lambda claim: len(claim.lines))
    payer = monthly.site.payer(longest.payer.id)
    assert payer is not None
    assert len(longest.lines) >= lines, f"only {len(longest.lines)} lines"
    return replace(longest, lines=longest.lines[:lines]), payer


def main() -> None:
    """Measure and print."""
    pinned = on_one_core()
    claim, payer = claim_of(LINES)
    value = document(claim, profile=payer.endpoint, created=CREATED)
    body = wire.dumps(value)
    assert not problems(value), problems(value)
    assert json.loads(body, parse_float=Decimal) == json.loads(wire.dumps(value), parse_float=Decimal)
    model = ClaimModel.model_validate(copy.deepcopy(value))
    draw = drawing(*month())
    drawn = draw().drafts
    lines = sum(len(draft.claim.lines) for draft in drawn)
    figures = timed(
        {
            "document: our claim to plain values": lambda: document(claim, profile=payer.endpoint, created=CREATED),
            "dumps: to bytes, money digit for digit": lambda: wire.dumps(value),
            "check: shape by fhir.resources, then our rules": lambda: problems(value),
            "all three, as a claim leaves": lambda: document_of(claim, payer),
            f"grouping: {lines} lines into {len(drawn)} claims, filing in time looked at": draw,
            "fhir.resources: model_validate": lambda: ClaimModel.model_validate(copy.deepcopy(value)),
            "fhir.resources: model_dump_json": model.model_dump_json,
            "fhir.resources: both": lambda: ClaimModel.model_validate(copy.deepcopy(value)).model_dump_json(),
        }
    )
    both, leaving = figures["fhir.resources: both"], figures["all three, as a claim leaves"]
    print(machine(), pinned, sep="; ")
    table(
        f"Claim of {LINES} lines, {len(body):,} bytes; 7 rounds",
        ("", "a claim", "claims a second", "× fhir.resources both"),
        [(n, spread(f), rates(f), f"{both.median / f.median:.1f}") for n, f in figures.items()],
    )
    same = model.model_dump_json() == body.decode()
    print(f"\n  bytes of model_dump_json are ours: {'yes' if same else 'no (it writes money by way of float)'}")
    written = (
        figures["document: our claim to plain values"].median + figures["dumps: to bytes, money digit for digit"].median
    )
    grouped = next(figure for name, figure in figures.items() if name.startswith("grouping"))
    dumped = figures["fhir.resources: model_dump_json"]
    keep(
        __file__,
        [
            Row(
                f"building, writing and checking a Claim of {LINES} lines",
                f"{leaving.rate:,.0f}/s",
                f"{both.median / leaving.median:.1f}× fhir.resources validating and dumping it",
            ),
            Row(
                f"drawing up the claims of a month anew ({lines} lines, {len(drawn)} claims)",
                f"{len(drawn) * grouped.rate:,.0f} claims/s",
                "grouped, filing in time looked at line by line",
            ),
            Row(
                "writing alone, exact to the digit",
                f"{1 / written:,.0f}/s",
                f"{dumped.median / written:.0f}× `model_dump_json`, which loses digits",
            ),
        ],
    )


if __name__ == "__main__":
    main()
