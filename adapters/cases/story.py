"""A case run from its first event to its last: the record that it leaves, and which event did what to it.

Nothing here knows a rule: events go through `pipeline.step` like those of any feed. Claims are built and sent by the
events that say so (`claim-ready`, `submit`), never by the clock; who answers is the case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from adapters.cases.case import Case, Happening
from adapters.cases.decided import sends_again, voids
from adapters.cases.document import Tree, items, text, tree
from adapters.cases.feed import CLAIM_KINDS, Letters, arrivals, background, not_built, reported
from adapters.cases.place import ZONE, house_of, person_of
from adapters.cases.remitted import Misfit, answers_in, misfits_of, news_of, payment_of
from adapters.model.claim import ClaimEvent, ClaimOnFile, ClaimState
from adapters.model.event import Event
from adapters.model.ledger import Entry
from adapters.model.people import PersonHint
from adapters.model.record import Captured, PersonRecord, Reading, SubmissionNews, Tick
from adapters.model.remittance import Decision, Payment, Remittance
from adapters.model.site import Enrolment
from adapters.model.work import WorkItem, item_id, open_item
from adapters.pipeline import House, step
from adapters.pipeline.misfits import unmatched
from adapters.pipeline.patients import account_now
from adapters.pipeline.payments import lane_of_payer
from adapters.pipeline.step import rederived
from adapters.posting import UNBALANCED, UNMATCHED, out_by, payment_mismatches
from adapters.rules import Ruleset

PERSON: Final = "person"
_LATE: Final = date(9999, 12, 31)
"""The day of a step at which a person has every billing cycle closed; on no other day does one close by itself."""


_RETURNED: Final = (ClaimState.REFUSED, ClaimState.ERROR)


@dataclass(slots=True)
class Story:
    """What became of a case."""

    case: Case
    letters: Letters
    house: House
    record: PersonRecord
    labels: dict[str, str] = field(default_factory=dict)
    """Name of a claim in the case → id of ours."""
    built: dict[str, str] = field(default_factory=dict)
    """Id of a claim of ours → the event that had arrived last when it was built."""
    posted: list[tuple[str, Entry]] = field(default_factory=list)
    """(event, entry that it caused), in order."""
    payers: dict[str, PersonRecord] = field(default_factory=dict)
    """Payer → its own record: what payments say of no claim."""
    set_aside: list[WorkItem] = field(default_factory=list)
    """Items of nobody: answers that are for no claim, payments that do not add up."""
    responses: dict[str, str] = field(default_factory=dict)
    """Id of an item about an answer → the name of the answer in the case."""
    statements: list[tuple[str, int]] = field(default_factory=list)
    """(event, what a statement asks of the patient then, in minor units)."""
    withheld: list[str] = field(default_factory=list)
    """Events at which no statement goes out although something is left to the patient: a payer has not decided."""
    misfits: list[Misfit] = field(default_factory=list)
    """What was out of balance in answers, in order."""
    problems: list[str] = field(default_factory=list)
    """Why the case could not be run to its end."""


def told(case: Case, rules: Ruleset) -> Story:
    """The case run; where anything of it is not built it is not run at all, and every reason is named."""
    house, problems = house_of(case, rules)
    story = Story(case, Letters(case), house, PersonRecord(PERSON))
    story.problems = list(dict.fromkeys((*problems, *not_built(case))))
    if story.problems:
        return story
    first = arrivals(case)
    _step(story, background(case), first[0][1] if first else datetime(2000, 1, 1, tzinfo=ZoneInfo("UTC")))
    known: set[str] = set()
    for event, arrived in first:
        before = {entry.id for entry in story.record.entries}
        if event.kind in CLAIM_KINDS:
            _of_claims(story, event, arrived)
        elif (message := event.text("message_id") or event.text("message") or event.id) not in known:
            known.add(message)  # the same message sent again is the same entry of the journal
            _step(story, (reported(case, event, arrived, story.letters),), arrived)
            if event.kind == "amendment" and case.options.get("amendment_after_billing") == "replace-claim":
                _send_replacements(story, arrived)
        story.posted += [(event.id, entry) for entry in story.record.entries if entry.id not in before]
        for claim in story.record.claims:
            story.built.setdefault(claim.claim.id, event.id)
        if story.problems:
            break
    return story


def _step(
    story: Story, events: tuple[Event, ...], now: datetime, *news: SubmissionNews, today: date | None = None
) -> None:
    hint = PersonHint((person_of(story.case),))
    readings = [Reading(event.source.message, now, captured=Captured(hint, (event,))) for event in events]
    readings += [Reading(f"news {n}", now, news=one) for n, one in enumerate(news)]
    story.record = step(story.record, readings, story.house, Tick(now, today or now.astimezone(ZoneInfo(ZONE)).date()))


# ---------------------------------------------------------------- claims


def _of_series(story: Story, event: Happening, on_file: ClaimOnFile) -> bool:
    """Whether a claim is of the series that the event names, if it names one."""
    wanted = event.text("series")
    series = {charge.id: charge.charge.series for charge in story.record.charges}
    return not wanted or all(series.get(id) == wanted for line in on_file.claim.lines for id in line.charges)


def _approved(story: Story, event: Happening, now: datetime) -> None:
    """A provider's enrolment enters the site's settings, and everything is derived anew by them."""
    payer = next((text(c["payer"]) for c in story.case.coverages if text(c["id"]) == event.text("payer")), "")
    start, filed = event.text("start"), event.text("filed")
    enrolment = Enrolment(
        text(story.case.providers[event.text("provider")]["npi"]),
        payer,
        date.fromisoformat(start) if start else None,
        None,
        date.fromisoformat(filed) if filed else None,
    )
    site = story.house.site
    story.house = House.of(
        story.house.rules, replace(site, enrolments=(*site.enrolments, enrolment)), story.house.tables
    )
    story.record = rederived(story.record, story.house, Tick(now, now.astimezone(ZoneInfo(ZONE)).date()))


def _of_claims(story: Story, event: Happening, now: datetime) -> None:
    """One step in the life of a claim."""
    if event.kind == "enrollment-approved":
        _approved(story, event, now)
        return
    if event.kind in ("claim-ready", "submit"):
        _step(story, (), now, today=_LATE)
        for claim in story.record.claims:
            story.built.setdefault(claim.claim.id, event.id)
    if event.kind == "claim-ready":
        ready = [c for c in story.record.claims if c.state is ClaimState.READY and _of_series(story, event, c)]
        _step(story, (), now, *(SubmissionNews(c.claim.id, ClaimEvent.SEND, "sent") for c in ready))
        return
    if event.kind in ("response", "remittance"):
        _answered(story, event, now)
        return
    if event.kind == "statement-run":
        _statement(story, event)
        return
    if event.kind == "submit" and not _named(story, event.text("claim")):
        _again(story, event, now)
    on_file = story.record.claim(_named(story, event.text("claim")))
    if on_file is None:
        story.problems.append(f"not built: {event.kind} {event.id} names a claim that is not on file")
        return
    if event.kind == "identified":
        _step(story, (voids(event, on_file.claim.id, now, story.letters),), now)
        return
    news = _news(story, event, on_file)
    if news is not None:
        _step(story, (), now, news)


def _again(story: Story, event: Happening, now: datetime) -> None:
    """A claim of the same content as one that was returned: a person sends that one again, as a new original."""
    wanted = _described(story.case, event.text("claim"))
    for on_file in story.record.claims:
        if on_file.state in _RETURNED and wanted is not None and _fits(story, wanted, on_file):
            _step(story, (sends_again(event, on_file.claim.id, now, story.letters),), now, today=_LATE)
            for claim in story.record.claims:
                story.built.setdefault(claim.claim.id, event.id)
            return


def _statement(story: Story, event: Happening) -> None:
    """A run of statements: what one asks for, or that it is withheld because a payer has not decided."""
    found = account_now(story.record, story.house)
    if found.statement is not None:
        story.statements.append((event.id, found.statement))
    elif found.withheld:
        story.withheld.append(event.id)


def _news(story: Story, event: Happening, on_file: ClaimOnFile) -> SubmissionNews | None:
    id = on_file.claim.id
    match event.kind:
        case "submit":
            if on_file.state in (ClaimState.READY, ClaimState.UNKNOWN):
                return SubmissionNews(id, ClaimEvent.SEND, "sent")
            story.problems.append(f"not built: submit {event.id} of a claim that is {on_file.state}")
            return None
        case "no-answer":
            return SubmissionNews(id, ClaimEvent.LOST, "no answer")
        case "ack":
            taken = event.text("result") == "accepted"
            number = Remittance(event.id, id, Decision.PENDED, event.text("icn")) if taken else None
            return SubmissionNews(id, ClaimEvent.TAKE if taken else ClaimEvent.REFUSE, "acknowledged", number)
        case _:
            raise ValueError(event.kind)


def _answered(story: Story, event: Happening, now: datetime) -> None:
    """One answer, or a payment with many: each answer is a reading of its own, in the order in which they stand there.

    A payment that does not add up is set aside whole, as the doors do (`pipeline.remitting`).
    """
    payment = payment_of(story.case, event)
    if payment is not None and (wrong := payment_mismatches(payment)):
        reasons = "; ".join(m.reason for m in wrong)
        story.set_aside.append(
            open_item(
                UNBALANCED,
                UNBALANCED,
                event.id,
                category="posting",
                action="repair-response",
                opened=now,
                amount=out_by(wrong),
                detail=reasons,
            )
        )
        return
    payers = {text(c["id"]): text(c["payer"]) for c in story.case.coverages}
    for place, said in enumerate(answers_in(event)):
        name = text(said.get("claim"))
        on_file = story.record.claim(_named(story, name)) if name else None
        numbers = _lines(story, name, on_file) if on_file else {}
        news = news_of(event, said, place, on_file, numbers, payers)
        if on_file is None:
            paid = news.answer.paid if isinstance(news.answer, Remittance) else None
            item = unmatched(event.id, abs(paid or 0), "the answer is for no claim of ours", Tick(now, now.date()))
            story.set_aside.append(item)
            story.responses[item.id] = text(said.get("response")) or event.id
            continue
        story.misfits += misfits_of(event, on_file, news, numbers)
        if isinstance(news.answer, Remittance):
            for code in (UNBALANCED, UNMATCHED):
                id = item_id(code, f"{on_file.claim.id}|{news.answer.id}", code)
                story.responses[id] = text(said.get("response")) or event.id
        _step(story, (), now, news)
    if payment is not None and payment.adjustments:
        _pay(story, event, payment, now)


def _pay(story: Story, event: Happening, payment: Payment, now: datetime) -> None:
    """What the payment says of no claim, in the payer's own lane."""
    before = story.payers.get(payment.payer) or PersonRecord(f"payer {payment.payer}")
    reading = Reading(event.id, now, captured=Captured(lane_of_payer(payment.payer), payment=payment))
    after = step(before, (reading,), story.house, Tick(now, now.astimezone(ZoneInfo(ZONE)).date()))
    story.payers[payment.payer] = after
    story.posted += [(event.id, entry) for entry in after.entries[len(before.entries) :]]


def _send_replacements(story: Story, now: datetime) -> None:
    """Replacements of claims that an amendment changed go out at once; nothing else does."""
    _step(story, (), now, today=_LATE)
    ready = [c for c in story.record.claims if c.state is ClaimState.READY and c.claim.replaces]
    for claim in ready:
        _step(story, (), now, SubmissionNews(claim.claim.id, ClaimEvent.SEND, "sent"))


def _named(story: Story, name: str) -> str:
    """The id of our claim that the case calls by this name: by what `expect` says of it, else by the order of building."""
    if name in story.labels:
        return story.labels[name]
    taken = set(story.labels.values())
    free = [c for c in story.record.claims if c.claim.id not in taken and c.state is not ClaimState.ABANDONED]
    described = _described(story.case, name)
    if described is not None:
        free = [c for c in free if _fits(story, described, c)]
    if name and free:
        story.labels[name] = free[0].claim.id
    return story.labels.get(name, "")


def _described(case: Case, name: str) -> Tree | None:
    """What the case expects of the claim of this name."""
    return next((c for c in expected_claims(case) if text(c.get("id")) == name), None)


def _fits(story: Story, described: Tree, on_file: ClaimOnFile) -> bool:
    """Whether a claim of ours has the lines, the frequency and the payer that are expected."""
    wanted = sorted(_content(line) for line in map(tree, items(described.get("lines"))))
    if sorted(_line_content(on_file)) != wanted:
        return False
    if text(described.get("frequency")) not in ("", on_file.claim.frequency):
        return False
    payers = (text(c["payer"]) for c in story.case.coverages if text(c["id"]) == text(described.get("payer")))
    return next(payers, on_file.claim.payer.id) == on_file.claim.payer.id


def expected_claims(case: Case) -> Iterator[Tree]:
    """The claims that the case expects: events name claims and lines by the labels given there."""
    return map(tree, items((case.expect or {}).get("claims")))


def _content(line: Mapping[str, object]) -> tuple[str, ...]:
    modifiers = line.get("modifiers")
    said = sorted(map(str, modifiers)) if isinstance(modifiers, list) else []
    return (str(line.get("code")), " ".join(said), str(line.get("units")), str(line.get("date")))


def _line_content(on_file: ClaimOnFile) -> Iterator[tuple[str, ...]]:
    for line in on_file.claim.lines:
        yield (line.code, " ".join(sorted(line.modifiers)), str(line.units), line.start.isoformat())


def _lines(story: Story, name: str, on_file: ClaimOnFile) -> dict[str, int]:
    """Number of a line in the case → its number on our claim, line by line of the same content."""
    described = next((c for c in expected_claims(story.case) if text(c.get("id")) == name), None)
    if described is None or not items(described.get("lines")):
        return {str(line.line): line.line for line in on_file.claim.lines}
    free = list(zip(_line_content(on_file), on_file.claim.lines, strict=True))
    found: dict[str, int] = {}
    for said in map(tree, items(described.get("lines"))):
        place = next((i for i, (content, _) in enumerate(free) if content == _content(said)), None)
        if place is not None:
            found[text(said["line"])] = free.pop(place)[1].line
    return found
