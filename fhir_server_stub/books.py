"""The payer's own ledger: which claims it holds, what it allowed, paid and refused, and what was filed twice.

Every demo and end-to-end test compares the program's ledger with these books.  They are kept from the
payer's own reading and decisions, never from what the program says it sent.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Literal

from fhir_server_stub.adjudicate import LineResult
from fhir_server_stub.claim import Frequency, ReadClaim
from fhir_server_stub.wire import Json

State = Literal["pended", "decided", "replaced", "voided", "void"]
_LIVE = {"pended", "decided"}


@dataclass(frozen=True, slots=True)
class Account:
    """One claim on the payer's books under the payer's claim control number.

    `state`: pended, decided; replaced or voided by a later claim; void is the voiding claim itself.
    `double`: the same Claim.identifier was already live when this one came in.
    """

    number: str
    resource: str
    claim: ReadClaim
    received: datetime
    state: State
    lines: tuple[LineResult, ...] = ()
    double: bool = False
    replaces: str = ""

    @property
    def live(self) -> bool:
        """Whether it counts: neither replaced nor voided, nor itself only a void."""
        return self.state in _LIVE


@dataclass(frozen=True, slots=True)
class Sums:
    """US dollars: charge = paid + contractual + patient + denied, for decided lines."""

    charge: Decimal = Decimal("0.00")
    allowed: Decimal = Decimal("0.00")
    paid: Decimal = Decimal("0.00")
    contractual: Decimal = Decimal("0.00")
    patient: Decimal = Decimal("0.00")
    denied: Decimal = Decimal("0.00")

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.charge + other.charge,
            self.allowed + other.allowed,
            self.paid + other.paid,
            self.contractual + other.contractual,
            self.patient + other.patient,
            self.denied + other.denied,
        )


def sums_of(result: LineResult) -> Sums:
    """The columns of one line: PR is the patient's share, CO, OA and PI contractual; a denial is denied."""
    charge = result.line.charge
    if result.denied:
        return Sums(charge=charge, denied=charge)
    patient = result.of("PR")
    return Sums(charge, result.allowed, result.paid, charge - result.paid - patient, patient)


def account_sums(account: Account) -> Sums:
    """The sums of an account's decided lines."""
    total = Sums()
    for result in account.lines:
        total += sums_of(result)
    return total


@dataclass(slots=True)
class Books:
    """All accounts in the order in which the claims took effect."""

    accounts: list[Account] = field(default_factory=list)

    def open(self, claim: ReadClaim, resource: str, received: datetime) -> Account:
        """Take a claim in, pended; gives it the next number and marks it when it is a double.

        `resource` is the reference of the stored Claim (`Claim/...`).
        """
        original = claim.frequency == "1"
        double = original and self.live_count(claim.identifier) > 0
        number = f"STUB{len(self.accounts) + 1:08d}"
        account = Account(number, resource, claim, received, "pended", double=double)
        self.accounts.append(account)
        return account

    def decide(self, number: str, lines: tuple[LineResult, ...]) -> Account:
        """Enter the decision for a pended account."""
        return self._put(replace(self.find_number(number), state="decided", lines=lines))

    def settle_prior(self, number: str, prior: Account, frequency: Frequency) -> Account:
        """Reverse the claim that this one replaces (7) or voids (8); returns the reversed one."""
        later: State = "replaced" if frequency == "7" else "voided"
        reversed_one = self._put(replace(prior, state=later))
        mine = replace(self.find_number(number), replaces=prior.number)
        self._put(mine if frequency == "7" else replace(mine, state="void"))
        return reversed_one

    def prior_of(self, claim: ReadClaim, *, but: str) -> Account | None:
        """The live account, other than `but`, that the claim names: by number, identifier or reference."""
        for account in reversed(self.accounts):
            names = {account.number, account.claim.identifier, account.resource}
            if account.live and account.number != but and names & set(claim.prior):
                return account
        return None

    def find(self, identifier: str) -> list[Account]:
        """All accounts of a claim identifier (`system|value`)."""
        return [account for account in self.accounts if account.claim.identifier == identifier]

    def find_number(self, number: str) -> Account:
        """The account with that payer's number; KeyError when there is none."""
        for account in self.accounts:
            if account.number == number:
                return account
        raise KeyError(number)

    def live_count(self, identifier: str) -> int:
        """How many live claims the payer holds under an identifier; above one is double billing."""
        return sum(account.live for account in self.find(identifier))

    def doubles(self) -> list[str]:
        """Identifiers with more than one live claim."""
        counts = Counter(account.claim.identifier for account in self.accounts if account.live)
        return [identifier for identifier, count in counts.items() if count > 1]

    def repeats(self) -> list[tuple[str, str, str, str]]:
        """Patient, code, modifiers, day of services on more than one live line; a second one may be real."""
        counts = Counter(
            (account.claim.patient, line.code, " ".join(line.modifiers), line.day.isoformat())
            for account in self.accounts
            if account.live
            for line in account.claim.lines
        )
        return [service for service, count in counts.items() if count > 1]

    def totals(self) -> Sums:
        """The sums of all live decided claims."""
        total = Sums()
        for account in self.accounts:
            if account.state == "decided":
                total += account_sums(account)
        return total

    def as_json(self) -> Json:
        """The whole ledger; amounts are texts with two digits."""
        live = Counter(account.claim.identifier for account in self.accounts if account.live)
        return {
            "claims": [_account_json(account) for account in self.accounts],
            "totals": _sums_json(self.totals()),
            "live": dict(live),
            "doubles": self.doubles(),
            "repeats": [list(service) for service in self.repeats()],
        }

    def _put(self, account: Account) -> Account:
        place = next(n for n, old in enumerate(self.accounts) if old.number == account.number)
        self.accounts[place] = account
        return account


def _account_json(account: Account) -> Json:
    claim = account.claim
    return {
        "identifier": claim.identifier,
        "claim_number": account.number,
        "claim": account.resource,
        "type": claim.kind,
        "frequency": claim.frequency,
        "replaces": account.replaces,
        "state": account.state,
        "live": account.live,
        "double": account.double,
        "received": account.received.isoformat(),
        "total": _amount(claim.total),
        **_sums_json(account_sums(account)),
        "lines": [_line_json(result) for result in account.lines],
    }


def _line_json(result: LineResult) -> Json:
    line = result.line
    return {
        "sequence": line.sequence,
        "code": line.code,
        "modifiers": list(line.modifiers),
        "date": line.day.isoformat(),
        "quantity": str(line.quantity),
        **_sums_json(sums_of(result)),
        "adjustments": [{"group": a.group, "carc": a.carc, "amount": _amount(a.amount)} for a in result.adjustments],
    }


def _sums_json(sums: Sums) -> Json:
    names = ("charge", "allowed", "paid", "contractual", "patient", "denied")
    return {name: _amount(getattr(sums, name)) for name in names}


def _amount(amount: Decimal) -> str:
    return f"{amount:.2f}"
