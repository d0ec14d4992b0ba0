"""Which lanes are one person, by all that is said of them, and the records after lanes were put together or apart.

Both are functions: of the statements on file, whatever the order in which they came, and of records. A tick of the
journal tells the outcome, so that a fold carries out what was carried out then, and nothing else.

Charges are derived anew from all events of a person (`step`), so a fraction that was reported under two identifiers is
one charge. Claims go along with the charges that they bill, and what a payer says of them, and their money: a claim
that has left stands as it left, and is corrected only as the payer's settings for any change after sending say.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from typing import Final

from adapters.context import demographics
from adapters.model.claim import ClaimOnFile
from adapters.model.event import Event
from adapters.model.ledger import Entry
from adapters.model.merging import LANE, Merge, stated
from adapters.model.people import Identifier
from adapters.model.record import OMITTED, ChargeOnFile, ChargeStatus, PersonRecord, Tick
from adapters.model.union import shares, united
from adapters.model.work import WorkItem, item_id, open_item
from adapters.pipeline.life import UNSENT
from adapters.pipeline.step import House, step
from adapters.posting.patient import PAYMENT, cause_of_paid

Group = tuple[str, ...]
"""The lanes of one person, the root first."""
_BILLED: Final = frozenset({ChargeStatus.SENT, ChargeStatus.SETTLED})


# ---------------------------------------------------------------- who is one person


def named(persons: Iterable[PersonRecord]) -> frozenset[Identifier]:
    """All identities that statements in these records name."""
    return frozenset(one for person in persons for merge in stated(person.events) for one in merge.pair)


def wanted(
    persons: Sequence[PersonRecord], lane_of: Callable[[Identifier], str], *, ask: bool = False
) -> tuple[Group, ...]:
    """The lanes of these persons as they are to be grouped; equal to how they are where nothing is to be done.

    `persons` are all whom the statements of one of them name, and theirs again. Statements are taken in the order of
    their rank. One waits for a person, and changes nothing, where the birth dates differ that had been told by then; where
    it would make one person of two that somebody says are not; where the merged identity is already part of somebody
    else; or, with `ask`, where only a feed says it and nothing was done yet. The root is the survivor that was
    merged into nobody; around a circle, the survivor of the statement of highest rank.
    """
    merges = _between_lanes(persons, lane_of)
    group = {lane: n for n, person in enumerate(persons) for lane in person.lanes}
    events = {share.person: share.events for person in persons for share in shares(person)}
    apart = [(one, other) for one, other, merge in merges if merge.apart]
    components = _Components(group)
    into: dict[str, str] = {}
    last = ""
    for survivor, merged, merge in merges:
        if merge.apart:
            continue
        if ask and not merge.by and group[survivor] != group[merged]:
            continue
        if any(components.would_join(survivor, merged, one, other) for one, other in apart):
            continue
        if not merge.by:
            elsewhere = merged in into and not components.same(into[merged], survivor)
            if elsewhere or len(_born(merge, [events[lane] for lane in components.both(survivor, merged)])) > 1:
                continue
        components.join(survivor, merged)
        into[merged], last = survivor, survivor
    found = [_rooted(lanes, into, last) for lanes in components.groups()]
    return tuple(sorted(found))


def unchanged(persons: Sequence[PersonRecord], groups: Sequence[Group]) -> bool:
    """Whether these persons are grouped so already."""
    return {(p.person, frozenset(p.lanes)) for p in persons} == {(g[0], frozenset(g)) for g in groups}


def _between_lanes(
    persons: Sequence[PersonRecord], lane_of: Callable[[Identifier], str]
) -> list[tuple[str, str, Merge]]:
    """What is said of two lanes: of each pair of lanes the statement of highest rank, lowest rank first."""
    latest: dict[frozenset[str], tuple[str, str, Merge]] = {}
    # Over all records at once: the one that says `apart` may lie in another lane than the one that said `together`.
    for merge in stated(event for person in persons for event in person.events):
        survivor, merged = lane_of(merge.survivor), lane_of(merge.merged)
        if survivor and merged and survivor != merged:
            latest.pop(frozenset((survivor, merged)), None)
            latest[frozenset((survivor, merged))] = (survivor, merged, merge)
    return list(latest.values())


def _born(merge: Merge, lanes: Iterable[Sequence[Event]]) -> set[str]:
    """The birth dates of these lanes as they had been told when the merge was said, its own among them."""
    told = (demographics(event for event in events if event.said <= merge.said).birth_date for events in lanes)
    return {date.isoformat() for date in told if date is not None} | ({merge.birth_date} - {""})


def _rooted(lanes: frozenset[str], into: dict[str, str], last: str) -> Group:
    if len(lanes) == 1:
        return tuple(lanes)
    root = last if last in lanes else max((lane for lane in lanes if lane in into.values()), default=min(lanes))
    seen = {root}
    while root in into and into[root] not in seen:
        root = into[root]
        seen.add(root)
    if root in into:  # a circle: who was merged into whom last decides
        root = last if last in seen else min(seen)
    return (root, *sorted(lanes - {root}))


class _Components:
    """Lanes that are one person, as statements put them together."""

    def __init__(self, lanes: Iterable[str]) -> None:
        self._of = {lane: frozenset((lane,)) for lane in lanes}

    def same(self, one: str, other: str) -> bool:
        return other in self._of[one]

    def both(self, one: str, other: str) -> frozenset[str]:
        return self._of[one] | self._of[other]

    def would_join(self, one: str, other: str, first: str, second: str) -> bool:
        """Whether joining the first two would put the second two together."""
        both = self.both(one, other)
        return first in both and second in both

    def join(self, one: str, other: str) -> None:
        both = self.both(one, other)
        self._of.update(dict.fromkeys(both, both))

    def groups(self) -> set[frozenset[str]]:
        return set(self._of.values())


# ---------------------------------------------------------------- the records after it


def regrouped(
    persons: Sequence[PersonRecord],
    groups: Sequence[Group],
    lane_of: Callable[[Identifier], str],
    house: House,
    tick: Tick,
) -> tuple[PersonRecord, ...]:
    """The records of these lanes, one for each group, with everything derived anew."""
    known: dict[str, list[Identifier]] = defaultdict(list)
    for identity in sorted(named(persons)):
        if identity.system != LANE:
            known[lane_of(identity)].append(identity)
    persons = [_knowing(person, known) for person in persons]
    group_of = {lane: group for group in groups for lane in group}
    pieces: dict[Group, list[PersonRecord]] = defaultdict(list)
    for person in persons:
        for group, piece in _pieces(person, group_of, tick.now):
            pieces[group].append(piece)
    return tuple(step(_together(group, pieces[group]), (), house, tick, again=True) for group in groups)


def _knowing(person: PersonRecord, known: Mapping[str, Sequence[Identifier]]) -> PersonRecord:
    """The record with the identities of its lanes, also those that only a statement about them named."""
    return united(
        [
            replace(share, identifiers=tuple(dict.fromkeys((*share.identifiers, *known.get(share.person, ())))))
            for share in shares(person)
        ]
    )


def _together(group: Group, pieces: Sequence[PersonRecord]) -> PersonRecord:
    """One person of the pieces, in the lane of the group's root; what has been billed comes first among its charges.

    So of two charges for one thing the one that was sent stands, and the other is not due any more.
    """
    root = group[0]
    ordered = sorted(pieces, key=lambda piece: (group.index(piece.person), piece.person))
    if len(ordered) == 1 and ordered[0].person == root:
        return _with_lanes(ordered[0], group)
    moved = [_moved(piece, root) for piece in ordered]
    work: dict[str, WorkItem] = {}
    for item in (item for piece in moved for item in piece.work):
        work.setdefault(item.id, item)
    whole = replace(
        moved[0],
        charges=_one_shelf(moved),
        holds=(),
        findings=(),
        claims=tuple(claim for piece in moved for claim in piece.claims),
        remittances=tuple(answer for piece in moved for answer in piece.remittances),
        entries=tuple(entry for piece in moved for entry in piece.entries),
        work=tuple(work.values()),
        due=tuple(dict.fromkeys(due for piece in moved for due in piece.due)),
    )
    by_lane = {share.person: share for piece in ordered for share in shares(piece)}
    return _with_lanes(whole, group, by_lane)


def _with_lanes(record: PersonRecord, group: Group, known: dict[str, PersonRecord] | None = None) -> PersonRecord:
    """The record over the shares of the group's lanes, in their order."""
    by_lane = known if known is not None else {share.person: share for share in shares(record)}
    root = group[0]
    first = by_lane.get(root, PersonRecord(root))
    own = replace(
        record,
        identifiers=first.identifiers,
        events=first.events,
        skips=tuple(skip for skip in first.skips if skip.event.startswith(OMITTED)),
        parts=(),
        root="",
    )
    others = (replace(by_lane.get(lane, PersonRecord(lane)), root=root) for lane in group[1:])
    return united((own, *others))


def _one_shelf(pieces: Sequence[PersonRecord]) -> tuple[ChargeOnFile, ...]:
    """The charges of all, those that are with a payer first; an id is one charge's."""
    every = sorted(
        (charge for piece in pieces for charge in piece.charges),
        key=lambda charge: (charge.status not in _BILLED, charge.status is ChargeStatus.VOID),
    )
    found: dict[str, ChargeOnFile] = {}
    for charge in every:
        if charge.id in found and charge.status is ChargeStatus.VOID:
            continue
        id = next(id for n in count() if (id := f"{charge.id}.{n}" if n else charge.id) not in found)
        found[id] = charge if id == charge.id else replace(charge, id=id)
    return tuple(found.values())


def _moved(piece: PersonRecord, root: str) -> PersonRecord:
    """The piece as of another lane: work follows, with what is said in it of a line under the lane's new name."""
    if piece.person == root:
        return piece
    old = f"{piece.person}/"
    return replace(piece, person=root, work=tuple(_followed(item, old, root) for item in piece.work))


def _followed(item: WorkItem, old: str, root: str) -> WorkItem:
    if not item.about.startswith(old):
        return replace(item, person=root)
    about = f"{root}/{item.about.removeprefix(old)}"
    return replace(item, person=root, about=about, id=item_id(item.kind, about, item.code))


@dataclass(frozen=True, slots=True)
class _Owners:
    """Whose each thing of a record is that comes apart: by the lanes whose reports it rests on."""

    home: Group
    """Whose is what rests on reports of both, or on none."""
    of_event: dict[str, Group]
    of_report: dict[tuple[str, str], Group]
    of_message: dict[str, Group]
    of_charge: dict[str, Group]
    of_claim: dict[str, Group]
    of_payment: dict[str, Group]
    """Of what patients paid, by the cause of its entries: of no claim, so whose lane says it."""

    def of_entry(self, entry: Entry) -> Group:
        said = self.of_payment.get(entry.cause, self.home)
        return next((self.of_claim[line.claim] for line in entry.lines if line.claim in self.of_claim), said)

    def of_item(self, item: WorkItem) -> Group:
        for known in (self.of_claim, self.of_charge, self.of_event, self.of_message):
            if item.about in known:
                return known[item.about]
        return self.home


def _pieces(person: PersonRecord, group_of: dict[str, Group], now: datetime) -> Iterable[tuple[Group, PersonRecord]]:
    """A person's record by the groups that its lanes are of now; the whole of it where that is one."""
    groups = list(dict.fromkeys(group_of[lane] for lane in person.lanes))
    if len(groups) == 1:
        return ((groups[0], person),)
    owners = _owners(person, group_of)
    by_lane = {share.person: share for share in shares(person)}
    return tuple((group, _piece(person, group, owners, by_lane, now)) for group in groups)


def _piece(
    person: PersonRecord, group: Group, owners: _Owners, by_lane: dict[str, PersonRecord], now: datetime
) -> PersonRecord:
    lanes = [lane for lane in group if lane in by_lane]
    claims = tuple(c for c in person.claims if owners.of_claim[c.claim.id] == group)
    mine = {c.claim.id for c in claims}
    work = [item for item in person.work if owners.of_item(item) == group]
    if group != owners.home:  # what a person closed stays closed for the same line under the other lane's name
        work += [
            item
            for item in person.work
            if item.about.startswith(f"{person.person}/") and item.closed is not None and item.closed_why != "settled"
        ]
    whole = replace(
        person,
        charges=tuple(c for c in person.charges if owners.of_charge[c.id] == group),
        claims=claims,
        remittances=tuple(r for r in person.remittances if r.claim in mine or (group == owners.home and not r.claim)),
        entries=tuple(e for e in person.entries if owners.of_entry(e) == group),
        work=tuple(work),
        due=tuple(d for d in person.due if owners.of_claim.get(d.about, owners.home) == group),
    )
    whole = _with_lanes(_moved(whole, lanes[0]), tuple(lanes), by_lane)
    questions = tuple(_question(claim, lanes[0], now) for claim in claims if _is_strange(claim, whole))
    known = {item.id for item in whole.work}
    return replace(whole, work=(*whole.work, *(item for item in questions if item.id not in known)))


def _is_strange(on_file: ClaimOnFile, piece: PersonRecord) -> bool:
    """Whether a claim is out under the number of a person who turns out to be another."""
    gone = on_file.state in UNSENT or not on_file.submitted_at
    return not gone and on_file.claim.patient_identifier not in {one.value for one in piece.identifiers}


def _question(on_file: ClaimOnFile, lane: str, now: datetime) -> WorkItem:
    return open_item(
        "claim-of-another",
        "unmerged",
        on_file.claim.id,
        category="identity",
        action="the claim left under the number of the other person: tell the payer, or correct it",
        opened=now,
        amount=on_file.claim.total,
        person=lane,
        detail="sent while two records were one",
    )


def _owners(person: PersonRecord, group_of: dict[str, Group]) -> _Owners:
    home = group_of[person.person]
    of_event: dict[str, Group] = {}
    of_message: dict[str, Group] = {}
    # The root's own last: what both have told is the root's.
    for part in reversed(person.parts):
        group = group_of[part.lane]
        of_event.update(dict.fromkeys(part.events, group))
        of_message.update({id.removeprefix(OMITTED).partition("#")[0]: group for id in part.omissions})
    for part in person.parts:
        if group_of[part.lane] == home:
            of_event.update(dict.fromkeys(part.events, home))
    of_report = {(e.source.message, e.source.at): of_event[e.id] for e in person.events if e.id in of_event}
    for (message, _), group in of_report.items():
        of_message.setdefault(message, group)
    of_number = {one.value: group_of[part.lane] for part in reversed(person.parts) for one in part.identifiers}
    billed = {
        id: of_number[on_file.claim.patient_identifier]
        for on_file in person.claims
        if on_file.state not in UNSENT and on_file.claim.patient_identifier in of_number
        for line in on_file.claim.lines
        for id in line.charges
    }
    every = _groups_of_reports(person, group_of)
    of_charge = {charge.id: _of_charge(charge, every, billed.get(charge.id, home), home) for charge in person.charges}
    of_claim: dict[str, Group] = {}
    for on_file in person.claims:  # in the order in which they were built: a correction after what it corrects
        of_claim[on_file.claim.id] = of_claim.get(on_file.claim.replaces) or _of_claim(on_file, of_charge, home)
    paid = (event for event in person.events if event.kind == PAYMENT)
    of_payment = {cause_of_paid(event): of_event.get(event.id, home) for event in paid}
    return _Owners(home, of_event, of_report, of_message, of_charge, of_claim, of_payment)


def _groups_of_reports(person: PersonRecord, group_of: dict[str, Group]) -> dict[tuple[str, str], list[Group]]:
    """The groups that each report is of: something may have been told of both."""
    reports = {event.id: (event.source.message, event.source.at) for event in person.events}
    found: dict[tuple[str, str], list[Group]] = defaultdict(list)
    for part in person.parts:
        for id in part.events:
            found[reports[id]].append(group_of[part.lane])
    return found


def _of_charge(
    charge: ChargeOnFile, of_report: Mapping[tuple[str, str], Sequence[Group]], billed: Group, home: Group
) -> Group:
    """Whose reports it rests on; of both, under whose number it was billed, else the root's."""
    reports = ((f.source.message, f.source.at) for f in charge.charge.why.facts if f.name == "event")
    found = [group for report in reports for group in of_report.get(report, ())]
    if not found:
        return home
    return next(group for group in (billed, home, found[0]) if group in found)


def _of_claim(on_file: ClaimOnFile, of_charge: dict[str, Group], home: Group) -> Group:
    """Whose most of its lines are; of as many of both, the root's."""
    lines = Counter(of_charge.get(id, home) for line in on_file.claim.lines for id in line.charges)
    most = max(lines.values(), default=0)
    return home if lines[home] == most else next((group for group, n in lines.items() if n == most), home)
