"""One record as rows: each delivered, counted, coded or booked service once, with its stages, differences and money."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

from adapters.charges import Assembly
from adapters.model.charge import Release
from adapters.model.event import Event
from adapters.model.ledger import Money, moneys
from adapters.model.reconciliation import Detection, Mark, Row, RowMoney, Stage, StageMark
from adapters.model.record import ChargeStatus, PersonRecord
from adapters.reconciling.booked import booked
from adapters.reconciling.claimed import Claimed
from adapters.reconciling.desk import Desk
from adapters.reconciling.detectors import detected
from adapters.reconciling.drafts import Draft, Drafts
from adapters.reconciling.naming import Namer
from adapters.reconciling.stages import Teller

_WAITS: Final = frozenset({ChargeStatus.DUE, ChargeStatus.CLAIMED})


@dataclass(frozen=True, slots=True)
class Lagging:
    """The days on which one row's stages were reached, for the charge lag."""

    row: str
    clinic: str
    service: date
    charged: date | None
    claimed: date | None
    paid: date | None


@dataclass(frozen=True, slots=True)
class Share:
    """What one person's record gives to a reconciliation."""

    rows: tuple[Row, ...] = ()
    detections: tuple[Detection, ...] = ()
    lags: tuple[Lagging, ...] = ()
    elsewhere: Money = field(default_factory=Money)
    """What the ledger has of the person and no row takes."""


def reconcile_record(
    record: PersonRecord, assembly: Assembly, desk: Desk, start: date, end: date, today: date
) -> Share:
    """The rows and detections of one record whose dates of service lie between two days, both inside.

    `assembly` is the record put together as persons leave it (`pipeline.stated.assembled`); `today` is the local day of
    the look, by which ages, what is overdue and what is new are told. A share of another lane's record gives nothing.
    """
    if record.root:
        return Share()
    drafts = Drafts.of(record, assembly, desk)
    known = booked(assembly.context, assembly.episodes, today)
    for event in known.open:
        _expect(drafts, event)
    of_lines = moneys(record.entries)
    namer = Namer(record, desk, today)
    teller = Teller(namer, known, Claimed(namer, of_lines, _decided(record, namer)))
    placed, elsewhere = _placed(drafts, of_lines)
    rows: list[Row] = []
    lags: list[Lagging] = []
    for draft in drafts.all.values():
        if not start <= draft.day <= end:
            continue
        row = _row(record, draft, teller, placed.get(draft.id, Money()))
        if row is None:
            continue
        rows.append(row)
        if draft.charges and draft.delivered:
            claimed, paid = row.at(Stage.CLAIMED), row.at(Stage.PAID)
            lags.append(Lagging(row.id, row.clinic, row.day, teller.charged_on(draft), claimed.on, paid.on))
    found = (_with_row(one, drafts) for one in detected(record, assembly, desk, today) if start <= one.day <= end)
    return Share(tuple(rows), tuple(found), tuple(lags), elsewhere)


def _expect(drafts: Drafts, event: Event) -> None:
    """A row of what was booked or ordered and not delivered."""
    known = event.value("expects", "dose")
    name = " ".join(filter(None, (known.replace("-", " "), event.value("code") or event.value("drug.name"))))
    place = drafts.desk.place(event)
    draft = Draft(event.id, "", event.course, known, name, event.day, place.id, event.value("machine"), booking=event)
    draft.events.append(event.id)
    drafts.all[draft.id] = draft
    drafts.of_event[event.id] = draft


def _row(record: PersonRecord, draft: Draft, teller: Teller, money: Money) -> Row | None:
    """The row of a draft; None where nothing of it was ever delivered, booked, charged or billed."""
    if not draft.delivered and draft.booking is None and not (draft.charges or draft.holds or draft.coded):
        if money == Money():
            return None
        marks = tuple(StageMark(stage, Mark.NO if stage is Stage.DELIVERED else Mark.NOT_DUE) for stage in Stage)
        found = teller.taken_back(draft, money)
    else:
        marks, found = teller.told(draft)
    live = [c.charge for c in draft.charges]
    waits = sum(c.charge.amount for c in draft.charges if c.status in _WAITS and c.charge.price is not None)
    kept = sum(
        h.would.amount
        for h in draft.holds
        if h.would is not None and h.would.price is not None and h.release is not Release.NEVER and not h.instead_of
    )
    return Row(
        id=draft.id,
        person=record.person,
        episode=draft.episode,
        course=draft.course,
        kind=draft.kind,
        name=draft.name,
        day=draft.day,
        machine=draft.machine or _machine_booked(draft, teller),
        clinic=draft.clinic,
        stages=marks,
        differences=found,
        charges=tuple(c.id for c in draft.charges),
        codes=tuple(dict.fromkeys("-".join((one.code, *one.modifiers)) for one in live)),
        events=tuple(dict.fromkeys(draft.events)),
        money=RowMoney.of(money, waits, kept),
    )


def _machine_booked(draft: Draft, teller: Teller) -> str:
    """The machine of the booking, where the report of the session names none."""
    first = draft.occurrence or (draft.sessions[0] if draft.sessions else None)
    booking = teller.booked.answered.get(first.primary.id) if first is not None else None
    return booking.value("machine") if booking is not None else ""


def _placed(drafts: Drafts, of_lines: Mapping[tuple[str, int | None], Money]) -> tuple[dict[str, Money], Money]:
    """The money of each claim line at the row of the first charge that it bills, and what finds no row.

    What a claim has without a line goes to the row of its first line.
    """
    of_line: dict[tuple[str, int | None], Draft] = {}
    for claim in drafts.record.claims:
        for line in claim.claim.lines:
            row = next((drafts.of_charge[id] for id in line.charges if id in drafts.of_charge), None)
            if row is not None:
                of_line[claim.claim.id, line.line] = row
                of_line.setdefault((claim.claim.id, None), row)
    placed: dict[str, Money] = {}
    left = Money()
    for key, money in of_lines.items():
        row = of_line.get(key) or of_line.get((key[0], None))
        if row is None:
            left += money
        else:
            placed[row.id] = placed.get(row.id, Money()) + money
    return placed, left


def _decided(record: PersonRecord, namer: Namer) -> dict[str, date]:
    """Claim → the day on which money of its answer was posted last; of one given back, that of its answer is not told."""
    found: dict[str, date] = {}
    paid = {r.claim: r.paid_on for r in record.remittances if r.paid_on is not None}
    for entry in record.entries:
        if not entry.cause.startswith("remittance"):
            continue
        day = namer.local(entry.at)
        for claim in {line.claim for line in entry.lines}:
            found[claim] = paid.get(claim) or day
    return found


def _with_row(one: Detection, drafts: Drafts) -> Detection:
    """The detection with the row that the event or charge is in."""
    draft = drafts.of_event.get(one.about) or drafts.of_charge.get(one.about)
    return one if draft is None else replace(one, row=draft.id)
