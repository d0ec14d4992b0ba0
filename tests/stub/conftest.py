"""What the stub's tests share: a claim that a payer accepts, of invented people and prices."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from fhir_server_stub.fees import Fees
from fhir_server_stub.payer import Stub
from fhir_server_stub.scenario import Scenario, parse

Json = dict[str, Any]
MakeClaim = Callable[..., Json]
CPT = "http://www.ama-assn.org/go/cpt"
FEES = "code,modifier,allowed,from,to\n77407,,310.00,2026-01-01,\n77427,,190.05,2025-01-01,\n77300,,66.85,2025-01-01,\n"


class Clock:
    """A clock that moves only when told."""

    def __init__(self) -> None:
        self.instant = datetime(2026, 1, 12, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.instant

    def forward(self, seconds: float) -> None:
        self.instant += timedelta(seconds=seconds)


def line(
    sequence: int,
    code: str,
    price: str,
    *,
    quantity: int = 1,
    day: str = "2026-01-05",
    modifiers: tuple[str, ...] = (),
    net: str | None = None,
) -> Json:
    item: Json = {
        "sequence": sequence,
        "diagnosisSequence": [1],
        "productOrService": {"coding": [{"system": CPT, "code": code}]},
        "servicedDate": day,
        "quantity": {"value": quantity},
        "unitPrice": {"value": Decimal(price), "currency": "USD"},
        "net": {"value": Decimal(net) if net else Decimal(price) * quantity, "currency": "USD"},
    }
    if modifiers:
        item["modifier"] = [{"coding": [{"system": CPT, "code": modifier}]} for modifier in modifiers]
    return item


def build(name: str = "A1", *items: Json, kind: str = "professional", **more: Any) -> Json:
    lines = list(items) or [line(1, "77407", "400.00"), line(2, "77427", "250.00")]
    total = sum((item["net"]["value"] for item in lines), Decimal(0))
    return {
        "resourceType": "Claim",
        "identifier": [{"system": "urn:clinic:claim", "value": name}],
        "status": "active",
        "type": {"coding": [{"code": kind}]},
        "use": "claim",
        "patient": {"reference": "urn:uuid:6f1f7b7e-0000-4000-8000-000000000001"},
        "created": "2026-01-12",
        "insurer": {"display": "Northwind"},
        "provider": {"display": "Radiation clinic"},
        "priority": {"coding": [{"code": "normal"}]},
        "diagnosis": [{"sequence": 1, "diagnosisCodeableConcept": {"coding": [{"code": "C61"}]}}],
        "insurance": [{"sequence": 1, "focal": True, "coverage": {"display": "Northwind PPO"}}],
        "item": lines,
        "total": {"value": total, "currency": "USD"},
    } | more


@pytest.fixture
def claim() -> MakeClaim:
    """`claim(name, *lines, **elements)`: 77407 for 400.00 and 77427 for 250.00 unless told otherwise."""
    return build


@pytest.fixture
def item() -> Callable[..., Json]:
    """`item(sequence, code, price, ...)`: a claim line."""
    return line


@pytest.fixture
def clock() -> Clock:
    """A clock that stands at 2026-01-12 09:00 UTC."""
    return Clock()


@pytest.fixture
def payer(clock: Clock) -> Callable[[str], Stub]:
    """`payer(toml)`: a stub with that scenario, three fees and the standing clock."""

    def make(text: str = "") -> Stub:
        return Stub(parse(text) if text else Scenario(), fees=Fees.parse(FEES), now=clock)

    return make
