"""A case run from its first event to its last: the record that it leaves, and which event did what to it.

Nothing here knows a rule: events go through `pipeline.step` like those of any feed. Claims are built and sent by the
events that say so (`claim-ready`, `submit`), never by the clock; who answers is the case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from adapters.cases.case import Case, Happening
from adapters.cases.document import Tree, items, text, tree
from adapters.cases.feed import CLAIM_KINDS, Letters, arrivals, background, not_built, reported
from adapters.cases.place import ZONE, house_of
from adapters.model.claim import ClaimEvent, ClaimOnFile, ClaimState
from adapters.model.event import Event
from adapters.model.ledger import Entry
from adapters.model.money import cents
from adapters.model.people import Identifier, PersonHint
from adapters.model.record import Captured, PersonRecord, Reading, SubmissionNews, Tick
from adapters.model.remittance import Adjustment, Decision, Remittance, RemittanceLine
from adapters.pipeline import House, step
from adapters.rules import Ruleset

PERSON: Final = "person"
_LATE: Final = date(9999, 12, 31)
"""The day of a step at which a person has every billing cycle closed; on no other day does one close by itself."""


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
    hint = PersonHint((Identifier("case", text(story.case.patient.get("mrn") or story.case.patient.get("id"))),))
    readings = [Reading(event.source.message, now, captured=Captured(hint, (event,))) for event in events]
    readings += [Reading(f"news {n}", now, news=one) for n, one in enumerate(news)]
    story.record = step(story.record, readings, story.house, Tick(now, today or now.astimezone(ZoneInfo(ZONE)).date()))


# ---------------------------------------------------------------- claims


def _of_claims(story: Story, event: Happening, now: datetime) -> None:
    """One step in the life of a claim."""
    if event.kind in ("claim-ready", "submit"):
        _step(story, (), now, today=_LATE)
        for claim in story.record.claims:
            story.built.setdefault(claim.claim.id, event.id)
    if event.kind == "claim-ready":
        if event.get("series") is not None:
            story.problems.append("not built: claim-ready of one series")
            return
        for claim in [c for c in story.record.claims if c.state is ClaimState.READY]:
            _step(story, (), now, SubmissionNews(claim.claim.id, ClaimEvent.SEND, "sent"))
        return
    on_file = story.record.claim(_named(story, event.text("claim")))
    if on_file is None:
        story.problems.append(f"not built: {event.kind} {event.id} names a claim that is not on file")
        return
    news = _news(story, event, on_file)
    if news is not None:
        _step(story, (), now, news)


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
            return _answer(story, event, on_file)


def _answer(story: Story, event: Happening, on_file: ClaimOnFile) -> SubmissionNews | None:
    """The answer to a claim; kinds of answers that nothing posts are named as not built."""
    id, outcome = on_file.claim.id, event.text("outcome")
    for name in ("from_payer", "forwarded_to"):
        if event.get(name) is not None:
            story.problems.append(f"not built: {name} of a response")
    if event.text("status") in ("22", "19", "20", "21"):
        story.problems.append(f"not built: response with claim status {event.text('status')}")
    if outcome == "queued":
        pended = Remittance(event.text("response"), id, Decision.PENDED, event.text("icn"))
        return SubmissionNews(id, ClaimEvent.QUEUE, "queued", pended)
    if outcome == "error":
        refused = Remittance(event.text("response"), id, Decision.REFUSED, event.text("icn"))
        return SubmissionNews(id, ClaimEvent.FAIL, "error", refused)
    lines = _lines(story, event.text("claim"), on_file)
    answer = Remittance(
        id=event.text("response"),
        claim=id,
        decision=Decision.ADJUDICATED,
        payer_claim_number=event.text("icn"),
        lines=tuple(
            RemittanceLine(
                lines.get(text(tree(line)["line"]), 0),
                _cents(tree(line), "charge"),
                _cents(tree(line), "paid"),
                _adjustments(tree(line).get("adjustments")),
            )
            for line in items(event.get("lines"))
        ),
        claim_adjustments=_adjustments(event.get("claim_adjustments")),
        charge=_cents(event.said, "charge"),
        paid=_cents(event.said, "paid"),
        message=event.id,
    )
    return SubmissionNews(id, ClaimEvent.ADJUDICATE, "adjudicated", answer)


def _adjustments(said: object) -> tuple[Adjustment, ...]:
    found = [one for one in said if isinstance(one, dict)] if isinstance(said, list) else []
    return tuple(Adjustment(text(one["group"]), text(one["carc"]), _cents(one, "amount")) for one in found)


def _cents(said: Tree, name: str) -> int:
    return cents(Decimal(text(said.get(name)) or "0"))


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
    described = next((c for c in expected_claims(story.case) if text(c.get("id")) == name), None)
    if described is not None:
        wanted = sorted(_content(line) for line in map(tree, items(described.get("lines"))))
        free = [c for c in free if sorted(_line_content(c)) == wanted]
    if name and free:
        story.labels[name] = free[0].claim.id
    return story.labels.get(name, "")


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
