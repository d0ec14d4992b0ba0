"""An outbound Claim of twelve lines: writing and checking it, beside fhir.resources doing both."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from _clinic import course, house, readings, stepped
from _common import Row, keep, machine, on_one_core, rates, spread, table, timed
from fhir.resources.R4B.claim import Claim as ClaimModel

from adapters.fhir import wire
from adapters.fhir.check import problems
from adapters.fhir.claim import document
from adapters.model.claim import Claim
from adapters.model.site import Payer
from adapters.pipeline import House
from adapters.pipeline.sending import document_of

LINES = 12
CREATED = datetime(2026, 3, 2, tzinfo=UTC)


def claim_of(lines: int) -> tuple[Claim, Payer]:
    """The first lines of a month's claim of the hospital, as the pipeline builds it."""
    made = house()
    payers = tuple(replace(payer, cycle="month") for payer in made.site.payers)
    monthly = House.of(made.rules, replace(made.site, payers=payers))
    told = course(20)
    record = stepped(readings(told, monthly), monthly, told[-1].at + timedelta(days=40))
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
    figures = timed(
        {
            "document: our claim to plain values": lambda: document(claim, profile=payer.endpoint, created=CREATED),
            "dumps: to bytes, money digit for digit": lambda: wire.dumps(value),
            "check: shape by fhir.resources, then our rules": lambda: problems(value),
            "all three, as a claim leaves": lambda: document_of(claim, payer),
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
                "writing alone, exact to the digit",
                f"{1 / written:,.0f}/s",
                f"{dumped.median / written:.0f}× `model_dump_json`, which loses digits",
            ),
        ],
    )


if __name__ == "__main__":
    main()
