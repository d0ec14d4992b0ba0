"""Lines set against the last day for filing them: what comes too late is held, what is near its end is remarked.

Looked at are lines that have not left, lines that other checks hold, and lines that left as late as to be remarked. Of
a sent line what counts is the day on which it left; whether the payer had it in time is told by its answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

from adapters.claims.timely import CLOSE, EXPIRED, LIMIT, FilingClock, received, runs_on
from adapters.model.charge import Charge, Finding, Hold, Release
from adapters.model.claim import Claim, ClaimOnFile, ClaimState, ClaimType
from adapters.model.context import Context, Contexts
from adapters.model.record import ChargeOnFile
from adapters.model.site import BillingEntity, Facility
from adapters.model.why import Fact, RuleRef, Source, Why

Lets = Callable[[Hold], tuple[Charge, Finding] | None]
"""Whether a person lets a held line go, with the finding that says so."""
LATE: Final = frozenset({LIMIT, CLOSE})
"""Kinds of findings that come of filing in time: they follow the clock, not the events."""
_NOT_SENT: Final = frozenset({ClaimState.BUILT, ClaimState.HELD, ClaimState.READY, ClaimState.ABANDONED})


def nobody(_: Hold) -> None:
    """Nobody lets anything go."""


@dataclass(frozen=True, slots=True)
class Filing:
    """The clock, and whom it does not bind."""

    clock: FilingClock
    lets: Lets


@dataclass(frozen=True, slots=True)
class Late:
    """What filing in time comes to."""

    charges: frozenset[str] = frozenset()
    """Ids of charges that are held."""
    holds: tuple[Hold, ...] = ()
    findings: tuple[Finding, ...] = ()
    look_again: date | None = None
    """The day on which a line that waits for a person comes near its last day."""


@dataclass(slots=True)
class _Looking:
    """One look at the lines of a person."""

    contexts: Contexts
    filing: Filing
    findings: list[Finding] = field(default_factory=list)
    _places: dict[str, tuple[Facility, BillingEntity] | None] = field(default_factory=dict)

    def place(self, entity: str) -> tuple[Facility, BillingEntity] | None:
        """The billing entity of that id with its facility, looked up once."""
        if entity not in self._places:
            found = ((f, e) for f in self.contexts.site.facilities for e in f.entities if e.id == entity)
            self._places[entity] = next(found, None)
        return self._places[entity]

    def terms(self, charges: Sequence[Charge], claim: Claim | None = None) -> Iterator[tuple[int, Context, date]]:
        """(number, context, last day) of each line of one cycle: an institutional claim counts from its through date.

        Of a claim on file by the rule of its own payer, whoever is billed for the date now.
        """
        through = max((charge.end for charge in charges), default=date.min)
        for number, charge in enumerate(charges):
            place = self.place(charge.entity)
            if place is None:
                continue
            if claim is None:
                context = self.contexts.of(charge.start, place[0])
            else:
                context = self.contexts.under(claim.payer.id, charge.start, place[0])
            if context.option("timely.past_limit") == "off" or (claim is not None and not runs_on(claim, context)):
                continue
            since = through if place[1].claim_type is ClaimType.INSTITUTIONAL else charge.start
            last = self.filing.clock.last_day(since, context)
            if last is not None:
                yield number, context, last

    def why(self, charge: Charge, last: date) -> Why:
        """The rule, resting on what the line rests on and the day."""
        fact = Fact("last day", last.isoformat(), Source("rules", "timely-filing"))
        return Why(self.ref(charge.start), (*charge.why.facts, fact))

    def ref(self, day: date) -> RuleRef:
        """The version of the rule in force on a date of service."""
        rule = self.filing.clock.rules.rule("timely-filing")
        return (rule.on(day) or rule.versions[-1]).ref

    def remark(self, charge: Charge, context: Context, last: date, on: date) -> None:
        """The last day of a line that is near it, or past it, on a day."""
        left = (last - on).days
        if left <= int(context.option("timely.warn_days")):
            why = self.why(charge, last)
            self.findings.append(Finding(LIMIT, "", why, last.isoformat(), charge.slot))
            if left >= 0:
                self.findings.append(Finding(CLOSE, "", why, last.isoformat(), charge.slot))


def in_time(
    groups: Mapping[tuple[str, str, str], Sequence[ChargeOnFile]],
    claims: Iterable[ClaimOnFile],
    charges: Iterable[ChargeOnFile],
    holds: Iterable[Hold],
    contexts: Contexts,
    filing: Filing,
) -> Late:
    """What of the unsent lines, by billing cycle, would come too late; with remarks on them, on held and on sent ones."""
    looking = _Looking(contexts, filing)
    held: list[Hold] = []
    late: set[str] = set()
    for _, members in sorted(groups.items()):
        lines = [member.charge for member in members]
        for number, context, last in looking.terms(lines):
            arrives = filing.clock.arrives(context)
            looking.remark(lines[number], context, last, arrives)
            if last < arrives and context.option("timely.past_limit") == "hold":
                hold = _hold(looking, lines[number], last)
                released = filing.lets(hold)
                if released is None:
                    held.append(hold)
                    late.add(members[number].id)
                else:
                    looking.findings.append(released[1])
    near: list[date] = []
    waiting = [h.would for h in holds if h.would is not None and h.release is Release.PERSON and not h.instead_of]
    for would in waiting:
        for _, context, last in looking.terms([would]):
            looking.remark(would, context, last, filing.clock.arrives(context))
            near.append(last - timedelta(days=int(context.option("timely.warn_days"))))
    _sent(looking, claims, {charge.id: charge.charge for charge in charges})
    ahead = min((day for day in near if day > filing.clock.at.date()), default=None)
    return Late(frozenset(late), tuple(held), tuple(dict.fromkeys(looking.findings)), ahead)


def _sent(looking: _Looking, claims: Iterable[ClaimOnFile], charges: Mapping[str, Charge]) -> None:
    for on_file in claims:
        if on_file.state in _NOT_SENT or on_file.claim.frequency == "8" or not on_file.submitted_at:
            continue
        zone = looking.filing.clock.at.tzinfo
        left = datetime.fromisoformat(on_file.submitted_at).astimezone(zone)
        lines = [charges[line.charges[0]] for line in on_file.claim.lines if line.charges[0] in charges]
        for number, context, last in looking.terms(lines, on_file.claim):
            looking.remark(lines[number], context, last, received(left, context.option("timely.cut_off")))


def _hold(looking: _Looking, charge: Charge, last: date) -> Hold:
    spec = looking.filing.clock.rules.hold(EXPIRED)
    why = looking.why(charge, last)
    return Hold(
        charge.slot, EXPIRED, spec.release, charge, why, detail=f"{spec.words} The last day was {last.isoformat()}."
    )
