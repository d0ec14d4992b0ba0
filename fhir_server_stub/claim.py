"""What the payer reads from a FHIR R4 Claim, and everything it finds wrong with it.

Reading is strict about what a payer needs and silent about the rest.  All problems are reported at once,
each with the FHIRPath of its element, as the payer's OperationOutcome shows them.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from fhir_server_stub.wire import Json

_REQUIRED = ("status", "type", "use", "patient", "created", "provider", "priority", "insurance", "insurer")
Frequency = Literal["1", "7", "8"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a claim: where (FHIRPath) and what (own words, no content of the claim)."""

    path: str
    words: str


@dataclass(frozen=True, slots=True)
class ClaimLine:
    """One line: `charge` is Claim.item.net in US dollars, `quantity` units, `day` the first service day."""

    sequence: int
    code: str
    modifiers: tuple[str, ...]
    day: date
    quantity: Decimal
    charge: Decimal


@dataclass(frozen=True, slots=True)
class ReadClaim:
    """A claim as the payer understands it.

    `identifier` is `system|value` of the first Claim.identifier.  `frequency`: 1 original, 7 replacement, 8
    void.  `prior` holds every way in which the claim names the one it replaces (payer's number, identifier,
    reference).
    """

    identifier: str
    kind: str
    patient: str
    frequency: Frequency
    prior: tuple[str, ...]
    lines: tuple[ClaimLine, ...]
    total: Decimal
    member: str = ""
    """The subscriber's number in the contained Coverage, as the claim says it."""


def read_claim(claim: object) -> ReadClaim | tuple[Problem, ...]:
    """Read a Claim, or say all that is wrong with it."""
    if not isinstance(claim, dict) or claim.get("resourceType") != "Claim":
        return (Problem("Claim", "is not a Claim"),)
    problems = [Problem(f"Claim.{name}", "is missing") for name in _REQUIRED if not claim.get(name)]
    problems += _words(claim)
    identifier = _identifier(claim)
    if not identifier:
        problems.append(Problem("Claim.identifier", "is missing: a claim without a name cannot be found again"))
    known = _sequences(claim.get("diagnosis"))
    items = _objects(claim.get("item"))
    if not items:
        problems.append(Problem("Claim.item", "is missing"))
    lines: list[ClaimLine] = []
    for place, item in enumerate(items):
        line = _line(item, f"Claim.item[{place}]", known, problems)
        if line:
            lines.append(line)
    if len({line.sequence for line in lines}) != len(lines):
        problems.append(Problem("Claim.item.sequence", "is used twice"))
    total = _money(claim.get("total"))
    if total is None:
        problems.append(Problem("Claim.total", "is missing or no amount in USD"))
    elif items and len(lines) == len(items) and total != sum((line.charge for line in lines), Decimal(0)):
        problems.append(Problem("Claim.total", "is not the sum of the lines' net"))
    if problems or total is None:
        return tuple(problems)
    return ReadClaim(
        identifier=identifier,
        kind=_code(claim.get("type")),
        patient=_reference(claim.get("patient")),
        frequency=_frequency(claim),
        prior=_prior(claim),
        lines=tuple(lines),
        total=total,
        member=_member(claim),
    )


def identifier_of(claim: object) -> str:
    """`system|value` of a body's first identifier, or an empty text: works for faulty claims as well."""
    return _identifier(claim) if isinstance(claim, dict) else ""


def _words(claim: Json) -> list[Problem]:
    problems = []
    if claim.get("use") not in {None, "claim"}:
        problems.append(Problem("Claim.use", "is not claim: this payer adjudicates claims only"))
    if claim.get("status") not in {None, "active"}:
        problems.append(Problem("Claim.status", "is not active"))
    if _code(claim.get("type")) not in {"", "professional", "institutional"}:
        problems.append(Problem("Claim.type", "is neither professional nor institutional"))
    for place, insurance in enumerate(_objects(claim.get("insurance"))):
        problems += [
            Problem(f"Claim.insurance[{place}].{name}", "is missing")
            for name in ("sequence", "focal", "coverage")
            if name not in insurance
        ]
    if claim.get("insurance") and not any(i.get("focal") is True for i in _objects(claim["insurance"])):
        problems.append(Problem("Claim.insurance.focal", "is true for none"))
    return problems


def _line(item: Json, path: str, known: set[str], problems: list[Problem]) -> ClaimLine | None:
    before = len(problems)
    sequence, code = item.get("sequence"), _code(item.get("productOrService"))
    if not isinstance(sequence, int) or sequence < 1:
        problems.append(Problem(f"{path}.sequence", "is missing or not positive"))
    if not code:
        problems.append(Problem(f"{path}.productOrService", "has no code"))
    day = _day(item.get("servicedDate") or _object(item.get("servicedPeriod")).get("start"))
    if day is None:
        problems.append(Problem(f"{path}.serviced", "is missing or no full date"))
    quantity = _decimal(_object(item.get("quantity")).get("value", 1))
    price, net = _money(item.get("unitPrice")), _money(item.get("net"))
    if quantity is None or quantity <= 0:
        problems.append(Problem(f"{path}.quantity", "is not positive"))
    for name, amount in (("unitPrice", price), ("net", net)):
        if amount is None or amount < 0:
            problems.append(Problem(f"{path}.{name}", "is missing or no amount in USD"))
    if price is not None and net is not None and quantity is not None and price * quantity != net:
        problems.append(Problem(f"{path}.net", "is not unitPrice times quantity"))
    pointers = item.get("diagnosisSequence")
    if isinstance(pointers, list) and not known.issuperset(str(pointer) for pointer in pointers):
        problems.append(Problem(f"{path}.diagnosisSequence", "points at no diagnosis"))
    if len(problems) > before or day is None or quantity is None or net is None:
        return None
    modifiers = tuple(_code(modifier) for modifier in _objects(item.get("modifier")))
    return ClaimLine(int(str(sequence)), code, modifiers, day, quantity, net)


def _member(claim: Json) -> str:
    held = (one for one in _objects(claim.get("contained")) if one.get("resourceType") == "Coverage")
    return next((str(one["subscriberId"]) for one in held if one.get("subscriberId")), "")


def _frequency(claim: Json) -> Frequency:
    """From type of bill (its last digit) or claimFrequency; a `prior` relation alone means a replacement."""
    for info in _objects(claim.get("supportingInfo")):
        if _code(info.get("category")) in {"typeofbill", "claimFrequency"}:
            last = _code(info.get("code"))[-1:]
            if last == "7":
                return "7"
            if last == "8":
                return "8"
    return "7" if _prior(claim) else "1"


def _prior(claim: Json) -> tuple[str, ...]:
    names: list[str] = []
    for related in _objects(claim.get("related")):
        if _code(related.get("relationship")) not in {"prior", "replaces"}:
            continue
        names.append(str(_object(related.get("reference")).get("value") or ""))
        target = _object(related.get("claim"))
        names.append(str(target.get("reference") or ""))
        inner = _object(target.get("identifier"))
        names.append(f"{inner.get('system', '')}|{inner['value']}" if inner.get("value") else "")
    return tuple(name for name in names if name)


def _sequences(diagnoses: object) -> set[str]:
    return {str(d["sequence"]) for d in _objects(diagnoses) if isinstance(d.get("sequence"), int)}


def _identifier(claim: Json) -> str:
    first = next(iter(_objects(claim.get("identifier"))), {})
    return f"{first.get('system', '')}|{first['value']}" if first.get("value") else ""


def _reference(value: object) -> str:
    reference = _object(value)
    inner = _object(reference.get("identifier"))
    named = f"{inner.get('system', '')}|{inner['value']}" if inner.get("value") else ""
    return str(reference.get("reference") or named)


def _code(value: object) -> str:
    for coding in _objects(_object(value).get("coding")):
        if coding.get("code"):
            return str(coding["code"])
    return ""


def _money(value: object) -> Decimal | None:
    money = _object(value)
    return _decimal(money.get("value")) if money.get("currency", "USD") == "USD" else None


def _decimal(value: object) -> Decimal | None:
    # A JSON number only: FHIR allows no text here, and True is an int to Python.
    return Decimal(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else None


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
